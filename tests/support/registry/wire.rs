//! HTTP as far as a registry needs it: heads, bodies of a known length, and connections that break when told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Mutex;

use super::server::Asked;
use super::state::State;
use crate::recorder::locked;

/// A request, with as much of its body as was read.
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// An answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
    /// Only so much of the body is sent, and the connection then ends.
    pub(super) cut: Option<usize>,
}

/// What happens to a body.
pub(super) enum Fate {
    Whole,
    /// The connection breaks after so many bytes.
    Cut(u64),
    /// Nobody reads it, and nobody answers.
    Hang,
}

/// Answers the requests of one connection until one side ends it.
pub(super) fn serve(stream: TcpStream, state: &Mutex<State>, storage: bool) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    while let Some(mut request) = head(&mut reader)? {
        let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let fate = locked(state).fate(&request);
        let mut asked = Asked {
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            bytes: length,
            authorised: request.header("authorization").is_some(),
            status: 0,
        };
        let read = match fate {
            Fate::Hang => {
                locked(state).asked.push(asked);
                return reader.read_to_end(&mut Vec::new()).map(drop);
            }
            Fate::Cut(most) => most.min(length),
            Fate::Whole => length,
        };
        if length > 0 && request.header("expect").is_some() {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        reader.by_ref().take(read).read_to_end(&mut request.body)?;
        if matches!(fate, Fate::Cut(_)) {
            let mut state = locked(state);
            state.broken(&request);
            state.asked.push(asked);
            return stream.shutdown(Shutdown::Both);
        }
        let answer = {
            let mut state = locked(state);
            let answer = if storage { state.stored(&request) } else { state.answer(&request) };
            asked.status = answer.status;
            state.asked.push(asked);
            answer
        };
        let more: String =
            answer.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        write!(
            stream,
            "HTTP/1.1 {} x\r\ncontent-length: {}\r\n{more}\r\n",
            answer.status,
            answer.body.len()
        )?;
        if request.method != "HEAD" {
            stream.write_all(&answer.body[..answer.cut.unwrap_or(answer.body.len())])?;
        }
        if answer.cut.is_some() {
            return stream.shutdown(Shutdown::Both);
        }
    }
    Ok(())
}

fn head(reader: &mut impl BufRead) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    };
    let query = query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(Some(Request { method, path: path.to_owned(), query, headers, body: Vec::new() }))
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16)).unwrap_or(0) as u8;
        bytes.push(if byte == b'%' { digit() * 16 + digit() } else { byte });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
