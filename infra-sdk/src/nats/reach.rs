//! Whether a server of NATS is at an address, step by step: its name, a connection, its greeting.
//!
//! The client library connects in one step and tells its last error only. A server of NATS speaks first, one line with what
//! it is (<https://docs.nats.io/reference/reference-protocols/nats-protocol#info>), so that what else listens there can be told.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::names::quoted;
use crate::nats::setting::Origin;
use crate::nats::target::Target;

/// How long a server may be silent before it is asked whether it speaks HTTP.
const SILENCE: Duration = Duration::from_millis(600);
/// How long an answer to that may take.
const POKE: Duration = Duration::from_millis(150);
/// A longer first line is none of NATS.
const LINE: u64 = 64 * 1024;

/// One address of a target, tried.
#[derive(Debug)]
pub(super) struct Reached {
    /// As the target has it: `tls://host:4222`.
    pub(super) server: String,
    pub(super) dns: Duration,
    pub(super) tcp: Duration,
    pub(super) greeting: Duration,
    pub(super) result: Result<(), Unreached>,
}

/// What is in the way at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unreached {
    /// Nobody knows the host.
    Unknown(String),
    /// Nothing listens there.
    Refused(String),
    /// Nothing came back in time.
    Unanswered,
    /// It accepts connections and says nothing.
    Silent,
    /// Something else listens there.
    Other(String),
    /// It is a server of NATS without TLS, and TLS is wanted.
    Plain,
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreached::Unknown(why) => write!(f, "the host is not known: {why}"),
            Unreached::Refused(why) => write!(f, "no connection: {why}"),
            Unreached::Unanswered => f.write_str("no answer in time"),
            Unreached::Silent => f.write_str("it takes connections and says nothing"),
            Unreached::Other(what) => write!(f, "not a server of NATS: {what}"),
            Unreached::Plain => f.write_str("a server of NATS without TLS, and the address asks for TLS"),
        }
    }
}

impl Unreached {
    /// What to do about it, where `given` is what the address comes from.
    pub(super) fn hint(&self, given: &Origin) -> String {
        match self {
            Unreached::Unknown(_) => unknown_host(given),
            Unreached::Refused(_) => not_running(given),
            Unreached::Unanswered => {
                "check that nothing in between drops packets, such as a firewall or a missing VPN".to_owned()
            }
            Unreached::Silent => {
                let port = given.correct("the port");
                format!(
                    "for a server that begins with TLS set `tls_first = true`; look whether it hangs or is too far away; else {port}"
                )
            }
            Unreached::Other(_) => {
                let port = given.correct("the port");
                format!("clients of NATS use 4222, 8222 is for monitoring: {port}")
            }
            Unreached::Plain => "write `nats://` instead of `tls://`, or the port that has TLS".to_owned(),
        }
    }
}

/// What to do about a host that nobody knows.
pub(super) fn unknown_host(given: &Origin) -> String {
    format!("check the network and its name servers, or {}", given.correct("the host"))
}

/// What to do where nothing listens.
pub(super) fn not_running(given: &Origin) -> String {
    format!("start the server, or {}", given.correct("the address"))
}

/// The part of the greeting that matters.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Info {
    tls_required: bool,
    tls_available: bool,
}

/// Tries all servers of the target at once, in no more time than `limit`; in the target's order.
pub(super) async fn all(target: &Target, limit: Duration) -> Vec<Reached> {
    let tried = target.servers.value.iter().map(|server| one(server, target.tls_first.value, limit));
    futures_util::future::join_all(tried).await
}

async fn one(server: &str, tls_first: bool, limit: Duration) -> Reached {
    let (began, none) = (Instant::now(), Duration::ZERO);
    let mut reached =
        Reached { server: server.to_owned(), dns: none, tcp: none, greeting: none, result: Ok(()) };
    let steps = steps(server, tls_first, &mut reached);
    if timeout(limit, steps).await.is_err() {
        let last = began.elapsed().saturating_sub(reached.dns + reached.tcp);
        reached.result = Err(if reached.tcp > none { Unreached::Silent } else { Unreached::Unanswered });
        reached.greeting = if reached.tcp > none { last } else { none };
    }
    reached
}

async fn steps(server: &str, tls_first: bool, reached: &mut Reached) {
    reached.result = async {
        let (scheme, host) = server.split_once("://").unwrap_or(("nats", server));
        let began = Instant::now();
        let found = addresses(host).await;
        reached.dns = began.elapsed();
        let mut stream = connected(&found?).await;
        reached.tcp = began.elapsed().saturating_sub(reached.dns).max(Duration::from_nanos(1));
        let greeted = match &mut stream {
            // It waits for us then.
            Ok(_) if tls_first => Ok(()),
            Ok(stream) => greeting(stream, scheme == "tls").await,
            Err(why) => {
                // No connection, so that no time was spent on one.
                reached.tcp = Duration::ZERO;
                Err(why.clone())
            }
        };
        reached.greeting = began.elapsed().saturating_sub(reached.dns + reached.tcp);
        greeted
    }
    .await;
}

async fn addresses(host: &str) -> Result<Vec<SocketAddr>, Unreached> {
    let with_port = if has_port(host) { host.to_owned() } else { format!("{host}:4222") };
    match tokio::net::lookup_host(with_port).await {
        Ok(found) => Ok(found.collect()),
        Err(error) => Err(Unreached::Unknown(error.to_string())),
    }
}

/// Whether a port stands behind the host, which may be `[::1]`.
fn has_port(host: &str) -> bool {
    let behind = host.rsplit_once(']').map_or(host, |(_, behind)| behind);
    behind.contains(':')
}

async fn connected(addresses: &[SocketAddr]) -> Result<TcpStream, Unreached> {
    let mut last = Unreached::Unknown("it has no address".to_owned());
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Unreached::Refused(error.to_string()),
        }
    }
    Err(last)
}

async fn greeting(stream: &mut TcpStream, wants_tls: bool) -> Result<(), Unreached> {
    let mut line = Vec::new();
    let read = async {
        let mut reader = BufReader::new((&mut *stream).take(LINE));
        reader.read_until(b'\n', &mut line).await
    };
    match timeout(SILENCE, read).await {
        Ok(Err(error)) => return Err(Unreached::Other(error.to_string())),
        Ok(Ok(0)) => return Err(Unreached::Other("it ends the connection at once".to_owned())),
        Ok(Ok(_)) => {}
        Err(_) => return Err(poked(stream).await),
    }
    let text = String::from_utf8_lossy(&line);
    let info = text.strip_prefix("INFO ").map(|json| serde_json::from_str::<Info>(json.trim()));
    match info {
        Some(Ok(info)) if wants_tls && !info.tls_required && !info.tls_available => Err(Unreached::Plain),
        Some(Ok(_)) => Ok(()),
        _ => Err(Unreached::Other(format!("it says {}", quoted(text.trim())))),
    }
}

/// What says nothing by itself may be waiting for a request.
async fn poked(stream: &mut TcpStream) -> Unreached {
    let ask = async {
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.ok()?;
        let mut head = [0; 5];
        stream.read_exact(&mut head).await.ok()?;
        (&head == b"HTTP/").then_some(())
    };
    match timeout(POKE, ask).await {
        Ok(Some(())) => Unreached::Other("it speaks HTTP".to_owned()),
        _ => Unreached::Silent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_told_from_the_colons_of_an_address() {
        for (host, has) in [("a", false), ("a:1", true), ("[::1]", false), ("[::1]:4222", true)] {
            assert_eq!(has_port(host), has, "{host}");
        }
    }
}
