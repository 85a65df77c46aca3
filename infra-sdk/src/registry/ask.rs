//! One request: who asks is said where it may be, redirections are followed without it, and silence ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderName, LOCATION};
use reqwest::{Method, Response, StatusCode, Url};

use crate::error::{Error, ErrorKind, Result};
use crate::images::BlobSource;
use crate::registry::auth::Scope;
use crate::registry::body::BlobBody;
use crate::registry::client::OciRegistry;
use crate::registry::refused;

/// More redirections than this lead nowhere.
const HOPS: usize = 5;

/// Who is refused more often, with something new each time, is refused for good.
const REFUSALS: u8 = 2;

/// What is sent with a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sent<'a> {
    Nothing,
    Bytes(&'a [u8]),
    /// `length` bytes of a blob, from `from` on.
    Blob {
        source: BlobSource<'a>,
        from: u64,
        length: u64,
    },
}

/// A request that is being put together.
pub(super) struct Ask<'a> {
    registry: &'a OciRegistry,
    method: Method,
    url: Url,
    /// What is asked, for messages: never with a query, which may hold a signature.
    what: String,
    scope: Scope,
    headers: Vec<(HeaderName, String)>,
    sent: Sent<'a>,
}

/// A whole answer.
pub(super) struct Fetched {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Where it came from, after redirections.
    pub(super) url: Url,
    pub(super) body: Vec<u8>,
}

impl OciRegistry {
    /// A request about `repository`, which `scope` allows.
    pub(super) fn ask(&self, method: Method, url: Url, scope: Scope) -> Ask<'_> {
        let what = format!("{method} {}", url.path());
        Ask { registry: self, method, url, what, scope, headers: Vec::new(), sent: Sent::Nothing }
    }
}

impl<'a> Ask<'a> {
    /// Adds a header.
    pub(super) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sends something with it.
    pub(super) fn send_with(mut self, sent: Sent<'a>) -> Self {
        self.sent = sent;
        self
    }

    /// Makes the request, again where that may help, and gives its answer if its status is one of `good`.
    ///
    /// # Errors
    /// As [`attempt`](Ask::attempt).
    pub(super) async fn send(&self, good: &[StatusCode]) -> Result<Response> {
        let mut again = self.registry.again();
        loop {
            match self.attempt(good).await {
                Ok(response) => return Ok(response),
                Err(error) => again.after(error).await?,
            }
        }
    }

    /// As [`send`](Ask::send), with the whole body of the answer, which may have `most` bytes.
    pub(super) async fn fetch(&self, good: &[StatusCode], most: u64) -> Result<Fetched> {
        let mut again = self.registry.again();
        loop {
            let fetched = async {
                let response = self.attempt(good).await?;
                let (status, headers) = (response.status(), response.headers().clone());
                let next = response.url().clone();
                Ok(Fetched { status, headers, url: next, body: self.whole(response, most).await? })
            };
            match fetched.await {
                Ok(fetched) => return Ok(fetched),
                Err(error) => again.after(error).await?,
            }
        }
    }

    /// Makes the request once. Where the registry first has to say what it wants to know, or no longer takes what it was
    /// told, it is made a second time and at most a third.
    ///
    /// # Errors
    /// As [`refused::error`]; `Unavailable` or `TimedOut`, retryable, without a whole answer.
    pub(super) async fn attempt(&self, good: &[StatusCode]) -> Result<Response> {
        let mut url = self.url.clone();
        let mut hops = 0;
        let mut refusals = 0;
        let mut header = self.registry.auth.header(&self.scope, None).await?;
        loop {
            let own = self.registry.place.is_own(&url);
            let mut request = self.registry.client.request(self.method.clone(), url.clone());
            for (name, value) in &self.headers {
                request = request.header(name, value);
            }
            // Not every client's library says that it sends nothing, and not every registry takes silence for it.
            if self.is_empty() && !matches!(self.method, Method::GET | Method::HEAD) {
                request = request.header(CONTENT_LENGTH, "0");
            }
            let said = header.as_ref().filter(|_| own);
            if let Some(said) = said {
                request = request.header(AUTHORIZATION, said);
            }
            let response = self.once(request).await?;
            let status = response.status();
            if status == StatusCode::UNAUTHORIZED && own {
                self.registry.auth.learn(&self.registry.place, response.headers())?;
                let next = self.registry.auth.header(&self.scope, said).await?;
                refusals += u8::from(said.is_some());
                if next.is_none() || next == header || refusals > REFUSALS {
                    return Err(self.refused(response).await);
                }
                header = next;
                continue;
            }
            let may_follow = matches!(self.method, Method::GET | Method::HEAD) && status.is_redirection();
            if may_follow && !good.contains(&status) {
                hops += 1;
                if hops > HOPS {
                    return Err(self
                        .error(ErrorKind::Invalid, "sends a request from one place to the next without end")
                        .hint("check the address of the registry"));
                }
                url = self.location(&url, &response)?;
                continue;
            }
            if good.contains(&status) {
                return Ok(response);
            }
            return Err(self.refused(response).await);
        }
    }

    /// Where an answer to a request at `at` says that it goes on.
    pub(super) fn location(&self, at: &Url, response: &Response) -> Result<Url> {
        let header = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let wrong = |what: &str| {
            self.error(ErrorKind::Invalid, what).with("status", response.status().as_u16()).hint(
                "check the address of the registry; one behind a proxy must know that it is reached over TLS",
            )
        };
        let Some(header) = header else { return Err(wrong("does not say where a request goes on")) };
        let url = at.join(header).map_err(|_| wrong("says that a request goes on at what is no address"))?;
        if self.registry.place.may_use(&url) {
            Ok(url)
        } else {
            Err(wrong("sends a request to an address that is not safe")
                .with("host", url.host_str().unwrap_or_default()))
        }
    }

    /// Whether an answer came from another address than was asked, after redirections.
    pub(super) fn is_elsewhere(&self, response: &Response) -> bool {
        *response.url() != self.url
    }

    fn is_empty(&self) -> bool {
        matches!(self.sent, Sent::Nothing | Sent::Blob { length: 0, .. })
    }

    async fn once(&self, request: reqwest::RequestBuilder) -> Result<Response> {
        let moved = Arc::new(AtomicU64::new(0));
        let request = match self.sent {
            Sent::Nothing | Sent::Blob { length: 0, .. } => request,
            Sent::Bytes(bytes) => request.body(bytes.to_vec()),
            Sent::Blob { source, from, length } => {
                let body = BlobBody::new(source.open_at(from)?, length, moved.clone());
                request.body(reqwest::Body::wrap(body))
            }
        };
        let answer = alive(request.send(), &moved, self.registry.stall).await;
        match answer {
            Some(answer) => answer.map_err(|error| self.broken(error)),
            None => Err(self.silent()),
        }
    }

    /// The next piece of an answer; `None` at its end.
    pub(super) async fn piece(&self, response: &mut Response) -> Result<Option<bytes::Bytes>> {
        match tokio::time::timeout(self.registry.stall, response.chunk()).await {
            Ok(piece) => piece.map_err(|error| self.broken(error)),
            Err(_) => Err(self.silent()),
        }
    }

    /// A whole answer of at most `most` bytes.
    pub(super) async fn whole(&self, mut response: Response, most: u64) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        while let Some(piece) = self.piece(&mut response).await? {
            if body.len() as u64 + piece.len() as u64 > most {
                return Err(self
                    .error(ErrorKind::Invalid, "answers more than can be true")
                    .with("most", format_args!("{most} bytes"))
                    .hint("check the address of the registry"));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    /// The error that an answer is.
    pub(super) async fn refused(&self, response: Response) -> Error {
        refused::error(self, response).await
    }

    /// An error that reads `registry PLACE WHAT (request: METHOD /path)`.
    pub(super) fn error(&self, kind: ErrorKind, what: &str) -> Error {
        Error::new(kind, format!("registry {} {what}", self.registry.name)).with("request", &self.what)
    }

    /// What to do next when the registry does not let in who asks.
    pub(super) fn advice(&self) -> &'static [&'static str] {
        self.registry.auth.advice()
    }

    /// Text of the registry's own, without what it must not repeat.
    pub(super) fn masked(&self, text: &str) -> String {
        self.registry.auth.masks.apply(text).into_owned()
    }

    fn silent(&self) -> Error {
        self.error(ErrorKind::TimedOut, "does not answer")
            .with("seconds", self.registry.stall.as_secs_f32())
            .hint("check the network and the proxy, and try again")
            .retryable()
    }

    fn broken(&self, error: reqwest::Error) -> Error {
        let (what, hint) = if error.is_connect() {
            ("cannot be reached", "check the network, the proxy and the address")
        } else {
            ("ended the connection before its answer was whole", "try again")
        };
        self.error(ErrorKind::Unavailable, what)
            .with("host", self.registry.place.authority())
            // The address may hold a signature.
            .because(error.without_url())
            .hint(hint)
            .retryable()
    }
}

/// Waits for `work` for as long as something moves; `None` when nothing did for `stall`.
async fn alive<T>(work: impl Future<Output = T>, moved: &AtomicU64, stall: Duration) -> Option<T> {
    let mut work = std::pin::pin!(work);
    let mut before = 0;
    loop {
        tokio::select! {
            done = &mut work => return Some(done),
            () = tokio::time::sleep(stall) => {
                let now = moved.load(Ordering::Relaxed);
                if now == before {
                    return None;
                }
                before = now;
            }
        }
    }
}
