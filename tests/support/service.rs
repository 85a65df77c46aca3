//! A small HTTP service on the loopback interface, for counterparts that have to misbehave on demand.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A request, as it came.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `GET`, `PUT`, …
    pub method: String,
    /// The path as it was sent, percent-encoded, from its first slash to the query.
    pub path: String,
    /// The query by name, as it was sent.
    pub query: BTreeMap<String, String>,
    /// The headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

/// What a service does with a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Answers: status, headers, body.
    Answer(u16, Vec<(String, String)>, Vec<u8>),
    /// Sends exactly these bytes and ends the connection.
    Raw(Vec<u8>),
    /// Ends the connection without a word.
    Drop,
    /// Says nothing until the other side has had enough.
    Hang,
}

impl Reply {
    /// An answer in JSON.
    pub fn json(status: u16, body: &serde_json::Value) -> Reply {
        let content = ("content-type".to_owned(), "application/json; charset=utf-8".to_owned());
        Reply::Answer(status, vec![content], body.to_string().into_bytes())
    }

    /// An answer without a body.
    pub fn empty(status: u16) -> Reply {
        Reply::Answer(status, Vec::new(), Vec::new())
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Reply {
        if let Reply::Answer(_, headers, _) = &mut self {
            headers.push((name.to_owned(), value.into()));
        }
        self
    }

    /// The status, if this is a whole answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Reply::Answer(status, ..) => Some(*status),
            _ => None,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let Reply::Answer(status, headers, body) = self else {
            return if let Reply::Raw(bytes) = self { bytes.clone() } else { Vec::new() };
        };
        let mut text = format!("HTTP/1.1 {status} Answer\r\nconnection: close\r\n");
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        // Neither of these has a body, and so no length.
        if !matches!(status, 204 | 304) {
            text.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        let mut bytes = format!("{text}\r\n").into_bytes();
        bytes.extend_from_slice(body);
        bytes
    }
}

/// A running service; ends with its value. Each connection carries one request.
#[derive(Debug)]
pub struct Service {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
}

impl Service {
    /// Starts it on a free port; `answer` is called on a thread for each request.
    pub fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback interface has a free port");
        let address = listener.local_addr().expect("it is bound");
        let stopped = Arc::new(AtomicBool::new(false));
        let (answer, stop) = (Arc::new(answer), stopped.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (answer, stop) = (answer.clone(), stop.clone());
                std::thread::spawn(move || serve(stream, &*answer, &stop));
            }
        });
        Service { address, stopped }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that listens.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(mut stream: TcpStream, answer: &dyn Fn(&Request) -> Reply, stop: &AtomicBool) {
    let Some(request) = read(&mut stream) else { return };
    match answer(&request) {
        Reply::Drop => {}
        Reply::Hang => {
            let _ = stream.set_read_timeout(Some(Duration::from_millis(50)));
            while !stop.load(Ordering::SeqCst) {
                match stream.read(&mut [0]) {
                    Ok(0) => return,
                    Err(error) if !is_timeout(&error) => return,
                    _ => {}
                }
            }
        }
        reply => {
            // Who asked may be gone already; that is its business.
            let _ = stream.write_all(&reply.bytes());
        }
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

/// One request with its body; `None` if the connection ends before.
fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut raw = Vec::new();
    loop {
        if let Some(request) = parse(&raw) {
            return Some(request);
        }
        let mut piece = [0; 16 * 1024];
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return None,
            Ok(count) => raw.extend_from_slice(&piece[..count]),
        }
    }
}

fn parse(raw: &[u8]) -> Option<Request> {
    let end = raw.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&raw[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let body = match headers.get("content-length") {
        Some(length) => raw[end + 4..].get(..length.parse().ok()?)?.to_vec(),
        None if headers.get("transfer-encoding").is_some_and(|how| how.contains("chunked")) => {
            unchunk(&raw[end + 4..])?
        }
        None => Vec::new(),
    };
    let query = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Some(Request { method, path: path.to_owned(), query, headers, body })
}

/// The pieces put together; `None` while the last one is missing.
fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?.trim(), 16).ok()?;
        let piece = rest.get(end + 2..end + 2 + length)?;
        rest = rest.get(end + 2 + length + 2..)?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(piece);
    }
}
