//! A small HTTP server on the loopback interface that keeps every request and answers as a test tells it to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A request as it came over the wire.
#[derive(Clone, Debug)]
pub struct Request {
    /// Such as `GET`.
    pub method: String,
    /// The path without the query, as it was sent: not decoded.
    pub path: String,
    /// What stands behind the `?`; empty without one.
    pub query: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A header's value; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; `null` when it is empty.
    pub fn json(&self) -> serde_json::Value {
        if self.body.is_empty() {
            return serde_json::Value::Null;
        }
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }
}

/// What a request is answered with.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A status, headers beside those every answer has, and a body.
    Whole(u16, Vec<(&'static str, String)>, String),
    /// The first half of such a body, though all of it is announced.
    Half(u16, String),
    /// Nothing, for as long as the client waits.
    Silence,
}

impl Answer {
    /// A JSON body.
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Answer::Whole(status, vec![("content-type", "application/json".into())], body.to_string())
    }
}

/// Tells what to answer; an error is a request that should not have been made.
type Respond = dyn Fn(&Request) -> Result<Answer, String> + Send + Sync;

/// The server. At its end it fails the test if a request was made that nobody expected.
pub struct Recorder {
    address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    requests: Mutex<Vec<Request>>,
    unexpected: Mutex<Vec<String>>,
    ended: AtomicBool,
}

impl Recorder {
    /// Starts it on a free port.
    pub fn start(respond: impl Fn(&Request) -> Result<Answer, String> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback interface has a free port");
        let address = listener.local_addr().expect("it is bound");
        let seen = Arc::new(Seen::default());
        let (respond, kept): (Arc<Respond>, _) = (Arc::new(respond), Arc::clone(&seen));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if kept.ended.load(Ordering::SeqCst) {
                    return;
                }
                let (respond, kept) = (Arc::clone(&respond), Arc::clone(&kept));
                // A client that hangs up in the middle is the client's affair.
                std::thread::spawn(move || serve(stream, &*respond, &kept).ok());
            }
        });
        Recorder { address, seen }
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests since the last call, in the order they came.
    pub fn take(&self) -> Vec<Request> {
        std::mem::take(&mut *locked(&self.seen.requests))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.seen.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts, which then sees the end.
        drop(TcpStream::connect(self.address));
        let unexpected = locked(&self.seen.unexpected);
        assert!(unexpected.is_empty() || std::thread::panicking(), "not expected: {}", unexpected.join("; "));
    }
}

/// A lock that a failed test may have left behind.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers the requests of one connection until the client closes it.
fn serve(stream: TcpStream, respond: &Respond, seen: &Seen) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    while let Some(request) = read_request(&mut reader)? {
        let answer = respond(&request).unwrap_or_else(|why| {
            let what = format!("{} {}: {why}", request.method, request.path);
            locked(&seen.unexpected).push(what.clone());
            Answer::Whole(418, Vec::new(), what)
        });
        locked(&seen.requests).push(request);
        match answer {
            Answer::Whole(status, headers, body) => {
                let more: String =
                    headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
                let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n{more}\r\n", body.len());
                // At once: small pieces wait for each other, some 40 ms an answer.
                stream.write_all(format!("{head}{body}").as_bytes())?;
            }
            Answer::Half(status, body) => {
                let half = &body.as_bytes()[..body.len() / 2];
                write!(stream, "HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n", body.len())?;
                stream.write_all(half)?;
                return stream.shutdown(std::net::Shutdown::Both);
            }
            // Nothing more comes from the client but the end of the connection.
            Answer::Silence => return reader.read_to_end(&mut Vec::new()).map(drop),
        }
    }
    Ok(())
}

fn read_request(reader: &mut impl BufRead) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut request =
        Request { method, path: path.to_owned(), query: query.to_owned(), headers, body: Vec::new() };
    request.body = read_body(reader, &request)?;
    Ok(Some(request))
}

fn read_body(reader: &mut impl BufRead, request: &Request) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if request.header("transfer-encoding") != Some("chunked") {
        let length = request.header("content-length").and_then(|length| length.parse().ok());
        reader.take(length.unwrap_or(0)).read_to_end(&mut body)?;
        return Ok(body);
    }
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let length = u64::from_str_radix(line.trim(), 16).map_err(std::io::Error::other)?;
        reader.by_ref().take(length).read_to_end(&mut body)?;
        reader.read_line(&mut String::new())?;
        if length == 0 {
            return Ok(body);
        }
    }
}
