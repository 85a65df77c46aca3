//! What a server tells of itself over plain HTTP, without a password: a second source, where somebody opened it.

use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::error::{Error, Result};
use crate::names::quoted;

/// A longer answer is none of a server.
const LIMIT: u64 = 8 * 1024 * 1024;
/// The port that nats-server's documentation uses for it.
const PORT: &str = "8222";

/// The address of a server's monitoring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Monitor {
    /// `host:port`.
    authority: String,
    /// What goes before each path, without a slash at its end.
    base: String,
}

impl Monitor {
    /// From `http://host:8222`, with or without a path.
    ///
    /// # Errors
    /// `Invalid` for what is no such address; one with a user or over TLS is none.
    pub(super) fn at(url: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Error::invalid(format!("{} is no address of a server's monitoring: {why}", quoted(url)))
                .hint("write it like `http://host:8222`, from a network that may reach it")
        };
        let rest = url.strip_prefix("http://").ok_or_else(|| wrong("it is spoken to over plain HTTP"))?;
        let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        if host.is_empty() || !host.chars().all(plain) {
            return Err(wrong("there is no host that can be one"));
        }
        if !path.chars().all(|c| c.is_ascii_graphic() && c != '?' && c != '#') {
            return Err(wrong("its path cannot be one"));
        }
        let behind = host.rsplit_once(']').map_or(host, |(_, behind)| behind);
        let authority = if behind.contains(':') { host.to_owned() } else { format!("{host}:{PORT}") };
        Ok(Monitor { authority, base: path.trim_end_matches('/').to_owned() })
    }

    /// What stands at a path such as `/jsz`, or why nobody knows.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str, until: Instant) -> Result<T, String> {
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let asked = timeout(left, self.fetch(path)).await;
        let text = asked.map_err(|_| "no answer in time".to_owned())?.map_err(|error| error.to_string())?;
        let (head, body) = text.split_once("\r\n\r\n").ok_or("what answers there does not speak HTTP")?;
        match head.split(' ').nth(1) {
            Some("200") => {}
            Some(status) => return Err(format!("{path} is answered with status {}", quoted(status))),
            None => return Err("what answers there does not speak HTTP".to_owned()),
        }
        serde_json::from_str(body).map_err(|_| format!("{path} is not what nats-server says there"))
    }

    async fn fetch(&self, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(&self.authority).await?;
        let Monitor { authority, base } = self;
        // With 1.0 the body comes in one piece and ends with the connection.
        let request =
            format!("GET {base}{path} HTTP/1.0\r\nhost: {authority}\r\naccept: application/json\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut bytes = Vec::new();
        stream.take(LIMIT).read_to_end(&mut bytes).await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl std::fmt::Display for Monitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}{}", self.authority, self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_port_even_where_none_is_written() {
        for (url, shown) in [
            ("http://nats", "http://nats:8222"),
            ("http://127.0.0.1:9", "http://127.0.0.1:9"),
            ("http://[::1]", "http://[::1]:8222"),
            ("http://proxy:80/nats/", "http://proxy:80/nats"),
        ] {
            assert_eq!(Monitor::at(url).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_plain_address_is_refused() {
        for bad in [
            "",
            "nats:8222",
            "https://nats:8222",
            "http://",
            "http://ada:pw@nats",
            "http://a b",
            "http://a/\r\nx",
        ] {
            let error = Monitor::at(bad).unwrap_err();
            assert!(!error.hints().is_empty(), "{bad}");
        }
    }
}
