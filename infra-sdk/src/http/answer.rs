//! What a service answered, and reading it.

use std::time::{Duration, SystemTime};

use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind, Result};
use crate::http::call::Label;

/// A whole answer.
pub(crate) struct Answer {
    label: Label,
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    pub(super) fn new(label: Label, status: u16, headers: HeaderMap, body: Vec<u8>) -> Self {
        Answer { label, status, headers, body }
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// Whether what was asked for is still as the `ETag` that was sent says.
    pub(crate) fn is_unchanged(&self) -> bool {
        self.status == 304
    }

    pub(super) fn is_success(&self) -> bool {
        matches!(self.status, 200..=299 | 304)
    }

    /// A header as text; the first, if there are several.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// What recognises this state of the resource.
    pub(crate) fn etag(&self) -> Option<&str> {
        self.header("etag")
    }

    /// Whether a list goes on, as its `Link` header tells. The address itself is not given: a caller counts pages, and
    /// so cannot be sent elsewhere.
    pub(crate) fn has_next(&self) -> bool {
        let links = self.header("link").unwrap_or_default();
        links.split(',').any(|link| link.split(';').skip(1).any(|part| part.trim() == "rel=\"next\""))
    }

    /// How long the service wants to be left alone: `retry-after` in seconds, or until `x-ratelimit-reset` when nothing
    /// remains.
    pub(crate) fn pause(&self) -> Option<Duration> {
        let number = |name: &str| self.header(name)?.trim().parse::<u64>().ok();
        if let Some(seconds) = number("retry-after") {
            return Some(Duration::from_secs(seconds));
        }
        let reset = number("x-ratelimit-reset").filter(|_| self.has_none_left())?;
        let reset = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(reset))?;
        // One more second: the clocks of both sides count whole ones.
        Some(reset.duration_since(SystemTime::now()).unwrap_or_default() + Duration::from_secs(1))
    }

    /// Whether the budget of requests is used up.
    pub(super) fn has_none_left(&self) -> bool {
        self.header("x-ratelimit-remaining").is_some_and(|left| left.trim() == "0")
    }

    /// What the service's own people find this request by.
    pub(super) fn request_id(&self) -> Option<&str> {
        self.header("x-github-request-id").or_else(|| self.header("cf-ray"))
    }

    /// The beginning of a body that is text, on one line.
    pub(crate) fn text(&self, most: usize) -> String {
        let is_text = self
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("text/plain") || kind.starts_with("application/json"));
        let bytes = if is_text { &self.body[..self.body.len().min(most * 4)] } else { &[] };
        one_line(String::from_utf8_lossy(bytes).trim(), most)
    }

    /// The body as JSON of any shape, if it is some.
    pub(super) fn value(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The body as `T`.
    ///
    /// # Errors
    /// `Unavailable`, retryable, when it is no JSON: something else than the service answered. `Invalid` when it is, in
    /// another shape. Neither shows any of it.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|error| {
            if error.is_data() {
                return self
                    .error(ErrorKind::Invalid, "answered in a shape that is not known")
                    .with("line", error.line())
                    .with("column", error.column())
                    .hint("check the address of the service; if it is right, use a newer infra-sdk");
            }
            self.error(ErrorKind::Unavailable, "answered something that is not JSON")
                .with("body", self.described())
                .hint("try again; if it stays, check the address and what stands before the service")
                .retryable()
        })
    }

    /// An error about this answer, with its status and request id.
    pub(crate) fn error(&self, kind: ErrorKind, what: &str) -> Error {
        let error = self.label.error(kind, what).with("status", self.status);
        match self.request_id() {
            Some(id) => error.with("request id", one_line(id, 100)),
            None => error,
        }
    }

    /// Type and length of the body.
    pub(super) fn described(&self) -> String {
        let content = self.header("content-type").unwrap_or("of no type");
        format!("{}, {} bytes", one_line(content, 60), self.body.len())
    }
}

/// Text of others, made fit for a message: on one line, without control characters, not too long.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    let shown = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut line: String = shown.clone().take(most).collect();
    if shown.count() > most {
        line.push('…');
    }
    line
}
