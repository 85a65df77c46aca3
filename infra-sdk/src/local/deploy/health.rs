//! One look at a service's health path, over plain HTTP/1.1.
//!
//! Written on a socket of the standard library: an HTTP crate would be a third of what a product compiles, for one request
//! of one line to the own machine.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long one look may take, from connecting to the status line.
pub(super) const DEADLINE: Duration = Duration::from_secs(1);

/// The longest status line that is read.
const LONGEST: usize = 1024;

/// Whether `GET path` on this machine answers 2xx; else what it did, for a person.
pub(crate) fn probe(port: u16, path: &str) -> Result<(), String> {
    let until = Instant::now() + DEADLINE;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut line = Vec::new();
    if let Err(error) = ask(address, path, until, &mut line) {
        return Err(match error.kind() {
            std::io::ErrorKind::ConnectionRefused => format!("nothing listens on port {port} yet"),
            std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock => {
                format!("GET {path} on port {port} did not answer within {} s", DEADLINE.as_secs())
            }
            _ => format!("GET {path} on port {port} broke off: {}", error.kind()),
        });
    }
    match status(&line) {
        Some(200..=299) => Ok(()),
        Some(code) => Err(format!("GET {path} on port {port} answered {code}")),
        None => Err(format!("port {port} answered something that is not HTTP")),
    }
}

/// Reads the first line of the answer; every wait ends at `until`.
fn ask(address: SocketAddr, path: &str, until: Instant, line: &mut Vec<u8>) -> std::io::Result<()> {
    let left = || match until.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(std::io::Error::from(std::io::ErrorKind::TimedOut)),
        left => Ok(left),
    };
    let mut stream = TcpStream::connect_timeout(&address, left()?)?;
    stream.set_write_timeout(Some(left()?))?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: infra-sdk\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut piece = [0; 256];
    while !line.contains(&b'\n') && line.len() < LONGEST {
        stream.set_read_timeout(Some(left()?))?;
        match stream.read(&mut piece) {
            Ok(0) if line.is_empty() => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(0) => break,
            Ok(length) => line.extend_from_slice(&piece[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The code in `HTTP/1.1 200 OK`.
fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| matches!(byte, b'\r' | b'\n')).next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    words.next().filter(|code| code.len() == 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// The result of a probe against a server that sends `answer` and holds the connection open.
    fn probed(answer: &'static [u8]) -> Result<(), String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(answer).unwrap();
            // Until the other side hangs up.
            let _ = stream.read(&mut [0; 16]);
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let result = probe(port, "/healthz");
        assert!(server.join().unwrap().starts_with("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:"));
        result
    }

    #[test]
    fn only_an_answer_of_2xx_is_healthy() {
        probed(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        probed(b"HTTP/1.0 204 \r\n\r\n").unwrap();
        assert!(probed(b"HTTP/1.1 302 Found\r\n\r\n").unwrap_err().contains("302"));
        assert!(probed(b"HTTP/1.1 503 Busy\r\n\r\n").unwrap_err().contains("503"));
        assert!(probed(b"SSH-2.0-x\r\n").unwrap_err().contains("not HTTP"));
    }

    #[test]
    fn a_server_that_never_answers_is_left_after_the_deadline() {
        let begun = Instant::now();
        assert!(probed(b"").unwrap_err().contains("did not answer"));
        assert!(begun.elapsed() >= DEADLINE && begun.elapsed() < DEADLINE * 5);
    }

    #[test]
    fn a_closed_port_says_that_nothing_listens() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        assert!(probe(port, "/").unwrap_err().contains("nothing listens"));
    }
}
