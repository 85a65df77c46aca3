//! One request: made once, answered within a deadline, or explained.

use std::fmt;

use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::http::path::encode;
use crate::http::{Answer, Api, Path, refused};
use crate::mask::Masks;

/// The longest body that is read, 16 MB: the longest answer of any service used here is far below.
const LONGEST: usize = 16 << 20;

/// What is done to the thing at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// Read it.
    Get,
    /// Make or replace it.
    Put,
    /// Make one more below it.
    Post,
    /// Change parts of it.
    Patch,
    /// Remove it.
    Delete,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Method::Get => "GET",
            Method::Put => "PUT",
            Method::Post => "POST",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        })
    }
}

impl Method {
    fn wire(self) -> reqwest::Method {
        match self {
            Method::Get => reqwest::Method::GET,
            Method::Put => reqwest::Method::PUT,
            Method::Post => reqwest::Method::POST,
            Method::Patch => reqwest::Method::PATCH,
            Method::Delete => reqwest::Method::DELETE,
        }
    }
}

/// A request that is being put together.
pub(crate) struct Call<'a> {
    api: &'a Api,
    method: Method,
    path: Path,
    query: String,
    headers: Vec<(&'static str, String)>,
    /// Its type and itself; an error says why the body could not be written; it is told when the request is made.
    body: Option<(&'static str, Result<Vec<u8>>)>,
    masks: Option<Masks>,
}

impl<'a> Call<'a> {
    pub(super) fn new(api: &'a Api, method: Method, path: &Path) -> Self {
        Call {
            api,
            method,
            path: path.clone(),
            query: String::new(),
            headers: Vec::new(),
            body: None,
            masks: None,
        }
    }

    /// The same request once more, if it only reads.
    pub(crate) fn once_more(&self) -> Option<Self> {
        (self.method == Method::Get && self.body.is_none()).then(|| Call {
            api: self.api,
            method: self.method,
            path: self.path.clone(),
            query: self.query.clone(),
            headers: self.headers.clone(),
            body: None,
            masks: self.masks.clone(),
        })
    }

    /// Adds `name=value` to the query, both encoded.
    #[must_use]
    pub(crate) fn query(mut self, name: &str, value: impl fmt::Display) -> Self {
        if !self.query.is_empty() {
            self.query.push('&');
        }
        encode(name, &mut self.query);
        self.query.push('=');
        encode(&value.to_string(), &mut self.query);
        self
    }

    /// Sets the query to what a person wrote, encoded already.
    #[must_use]
    pub(crate) fn query_as_written(mut self, query: &str) -> Self {
        query.clone_into(&mut self.query);
        self
    }

    /// Adds a header.
    #[must_use]
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sends `body` as JSON. No message ever shows it.
    #[must_use]
    pub(crate) fn json<T: Serialize + ?Sized>(self, body: &T) -> Self {
        self.json_as("application/json", body)
    }

    /// Sends `body` as JSON of a type of its own, such as `application/merge-patch+json`.
    #[must_use]
    pub(crate) fn json_as<T: Serialize + ?Sized>(mut self, content: &'static str, body: &T) -> Self {
        let bytes = serde_json::to_vec(body).map_err(|error| {
            Error::new(ErrorKind::Bug, "write a request as JSON").because(error).hint("please report this")
        });
        self.body = Some((content, bytes));
        self
    }

    /// Masks these values in the service's own words, should it repeat what it was sent.
    #[must_use]
    pub(crate) fn masking(mut self, masks: &Masks) -> Self {
        self.masks = Some(masks.clone());
        self
    }

    /// Makes exactly one request. Answers 2xx and 304; everything else is an error.
    ///
    /// # Errors
    /// - `Unavailable`, retryable: no connection, half an answer, 5xx; also with a
    ///   [wish to slow down](Error::throttle): 429, and 403 where the service says so.
    /// - `TimedOut`, retryable.
    /// - `Denied`: 401, 403. `NotFound`: 404, 410. `Conflict`: 409, 412. `Invalid`: other 4xx and redirects.
    pub(crate) async fn send(self) -> Result<Answer> {
        self.send_heard(|_| ()).await
    }

    /// The same, and lets `heard` see what the headers of the answer say, also of a refusal.
    ///
    /// # Errors
    /// As [`send`](Call::send).
    pub(crate) async fn send_heard(mut self, heard: impl FnOnce(&Answer)) -> Result<Answer> {
        let answer = self.asked().await?;
        heard(&answer);
        if answer.is_success() {
            return Ok(answer);
        }
        let texts = |text: &str| {
            let text = self.api.masks.apply(text).into_owned();
            match &self.masks {
                Some(masks) => masks.apply(&text).into_owned(),
                None => text,
            }
        };
        Err(refused::error(&answer, &texts))
    }

    /// Makes exactly one request, and takes an answer of any status.
    ///
    /// # Errors
    /// `Unavailable` or `TimedOut`, retryable, where there is none.
    pub(crate) async fn ask(mut self) -> Result<Answer> {
        self.asked().await
    }

    async fn asked(&mut self) -> Result<Answer> {
        let request = self.request()?;
        let response = request.send().await.map_err(|error| self.broken(error))?;
        self.read(response).await
    }

    fn request(&mut self) -> Result<reqwest::RequestBuilder> {
        let url = self.api.base.below(self.path.as_str(), &self.query).ok_or_else(|| {
            self.label()
                .error(ErrorKind::Invalid, "cannot be asked this")
                .hint("correct the name that stands in the path")
        })?;
        let mut request = self.api.client.request(self.method.wire(), url).timeout(self.api.timeout);
        if let Some((content, body)) = self.body.take() {
            request = request.header(CONTENT_TYPE, content).body(body?);
        }
        for (name, value) in &self.headers {
            let value = HeaderValue::from_str(value).map_err(|error| {
                self.label()
                    .error(ErrorKind::Invalid, "cannot be sent this header")
                    .with("header", name)
                    .because(error)
                    .hint("leave out line breaks and control characters")
            })?;
            request = request.header(HeaderName::from_static(name), value);
        }
        Ok(request)
    }

    async fn read(&self, mut response: reqwest::Response) -> Result<Answer> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(error))? {
            if body.len() + chunk.len() > LONGEST {
                return Err(self
                    .label()
                    .error(ErrorKind::Unavailable, "answered more than can be true")
                    .with("status", status)
                    .with("most", format_args!("{LONGEST} bytes"))
                    .hint("check the address, and what stands between this machine and the service"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer::new(self.label(), status, headers, body))
    }

    /// A request that ended without a whole answer; it may have been carried out.
    fn broken(&self, error: reqwest::Error) -> Error {
        let (kind, what, hint) = if error.is_timeout() {
            (ErrorKind::TimedOut, "did not answer in time", "try again, or look at the service's status page")
        } else if error.is_connect() {
            (ErrorKind::Unavailable, "cannot be reached", "check the network, the proxy and the address")
        } else if error.is_builder() {
            (ErrorKind::Bug, "cannot be asked this", "please report this")
        } else {
            (ErrorKind::Unavailable, "ended the connection before its answer was whole", "try again")
        };
        let told = self
            .label()
            .error(kind, what)
            .with("host", self.api.base.authority())
            // The address stands in the message already, without its query.
            .because(error.without_url())
            .hint(hint);
        if kind == ErrorKind::Bug { told } else { told.retryable() }
    }

    fn label(&self) -> Label {
        let request = format!("{} /{}", self.method, self.path.as_str());
        Label { service: self.api.service, request }
    }
}

/// Which request an error is about.
#[derive(Clone, Debug)]
pub(super) struct Label {
    service: &'static str,
    request: String,
}

impl Label {
    /// An error that reads `SERVICE WHAT (request: METHOD /path)`.
    pub(super) fn error(&self, kind: ErrorKind, what: &str) -> Error {
        Error::new(kind, format!("{} {what}", self.service)).with("request", &self.request)
    }
}
