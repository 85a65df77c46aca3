//! Requests to JetStream that outlive a server which is started again in between.

use std::error::Error as StdError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::client::{Request, RequestErrorKind};
use async_nats::jetstream::{self, ErrorCode, response::Response};
use async_nats::{Client, HeaderMap, Message};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::names::quoted;
use crate::nats::assets::{RUNS, WORK};
use crate::nats::{Nats, api, version};

/// How long one attempt waits for an answer; a healthy server takes a millisecond.
const ATTEMPT: Duration = Duration::from_secs(3);
/// How long a server may be away before that is an error.
const PATIENCE: Duration = Duration::from_secs(6);
/// How long JetStream may be away while its server answers: it is there before clients are, except after an election.
const NOBODY: Duration = Duration::from_secs(2);
/// How long between two attempts.
const PAUSE: Duration = Duration::from_millis(50);
/// How often it is looked whether the connection is another one. Costs no message.
const LOOK: Duration = Duration::from_millis(25);

/// A connection, and what the subjects of JetStream begin with there.
#[derive(Clone)]
pub(super) struct Link {
    nats: Nats,
    pub(super) client: Client,
    api: String,
    store: String,
}

/// What JetStream refused, with its number.
pub(super) type Refusal = jetstream::Error;

impl Link {
    /// The shared connection.
    ///
    /// # Errors
    /// As for the connection, and `Unavailable` for a server that is too old.
    pub(super) async fn open(nats: &Nats) -> Result<Self> {
        let client = nats.client().await?.clone();
        version::require(&client.server_info().version)?;
        let api = nats.api_prefix();
        // A bucket of another domain is written by way of its interface
        // (<https://docs.nats.io/running-a-nats-service/configuration/leafnodes/jetstream_leafnodes>).
        let store = if api == "$JS.API" { String::new() } else { format!("{api}.") };
        Ok(Link { nats: nats.clone(), client, api, store })
    }

    /// Whether JetStream is another one than that of the server which we are connected to, as far as is known.
    pub(super) fn is_elsewhere(&self) -> bool {
        !self.store.is_empty()
    }

    /// The subject of a request to JetStream, such as `STREAM.INFO.INFRA_WORK`.
    pub(super) fn api_subject(&self, verb: &str) -> String {
        format!("{}.{verb}", self.api)
    }

    /// The subject that writes what stands in a bucket at `subject`.
    pub(super) fn store_subject(&self, subject: &str) -> String {
        format!("{}{subject}", self.store)
    }

    /// Ends when the connection is another one than now: what was asked on the old one is answered to nobody.
    pub(super) async fn reconnected(&self) {
        let statistics = self.client.statistics();
        let connects = || statistics.connects.load(Ordering::Relaxed);
        let before = connects();
        while connects() == before {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// One request and its answer; `None` when nobody listens there. It is sent again when the connection was made anew, so
    /// it must be one that may be sent twice.
    ///
    /// # Errors
    /// `Unavailable` when no answer comes for six seconds, `Denied` when the subject may not be used.
    pub(super) async fn ask(
        &self,
        what: &str,
        subject: &str,
        headers: Option<HeaderMap>,
        body: Bytes,
    ) -> Result<Option<Message>> {
        let begun = Instant::now();
        loop {
            let request = Request::new().payload(body.clone()).timeout(Some(ATTEMPT));
            let request = match &headers {
                Some(headers) => request.headers(headers.clone()),
                None => request,
            };
            let sent = self.client.send_request(subject.to_owned(), request);
            let error = tokio::select! {
                answer = self.permitted(what, subject, begun, sent) => match answer? {
                    Ok(message) => return Ok(Some(message)),
                    Err(error) => error,
                },
                () = self.reconnected() => continue,
            };
            match error.kind() {
                RequestErrorKind::NoResponders => return Ok(None),
                RequestErrorKind::TimedOut | RequestErrorKind::Other
                    if begun.elapsed() < PATIENCE && !self.is_deaf() =>
                {
                    tokio::time::sleep(PAUSE).await;
                }
                _ => return Err(self.fault(what, begun, &error)),
            }
        }
    }

    /// What an error of a request means that began then.
    pub(super) fn fault(&self, what: &str, since: Instant, error: &(dyn StdError + 'static)) -> Error {
        self.nats.fault(what, since.into_std(), error)
    }

    /// The error of a server that did not answer since then.
    pub(super) fn silent(&self, what: &str, since: Instant) -> Error {
        self.fault(what, since, &std::io::Error::from(std::io::ErrorKind::TimedOut))
    }

    /// Waits for a call that publishes to `subject`, and no longer when the server says that this user may not.
    ///
    /// What else is denied on the shared connection belongs to other calls.
    ///
    /// # Errors
    /// `Denied` with the subject.
    pub(super) async fn permitted<T>(
        &self,
        what: &str,
        subject: &str,
        since: Instant,
        call: impl Future<Output = T>,
    ) -> Result<T> {
        let denied = format!("publish {subject}");
        let done = self.nats.unless_denied(&[&denied], since.into_std(), call).await;
        done.ok_or_else(|| self.nats.denied(what, &denied))
    }

    /// Whether no answer can ever come back on this connection: asking again is in vain.
    pub(super) fn is_deaf(&self) -> bool {
        self.nats.denials().inbox(self.nats.target().inbox()).is_some()
    }

    /// One request and what JetStream makes of it; `None` when nobody listens there. What it cannot do now, as between two
    /// leaders, is asked again, so it must be a request that may be sent twice.
    ///
    /// # Errors
    /// As [`ask`](Link::ask).
    pub(super) async fn answered<V: DeserializeOwned>(
        &self,
        what: &str,
        subject: &str,
        headers: Option<HeaderMap>,
        body: Bytes,
    ) -> Result<Option<Result<V, Refusal>>> {
        let begun = Instant::now();
        loop {
            let answer = self.ask(what, subject, headers.clone(), body.clone()).await?;
            let Some(message) = answer else { return Ok(None) };
            match parse(what, &message)? {
                Err(refusal) if passes(&refusal) && begun.elapsed() < PATIENCE => {}
                told => return Ok(Some(told)),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// A request of JetStream's own interface. What it says no to is for the caller to judge, except that it cannot now:
    /// then it is asked again.
    ///
    /// # Errors
    /// As [`ask`](Link::ask), and `Unavailable` when JetStream is off.
    pub(super) async fn api<V: DeserializeOwned>(
        &self,
        what: &str,
        verb: &str,
        body: &Value,
    ) -> Result<Result<V, Refusal>> {
        let (begun, body) = (Instant::now(), Bytes::from(body.to_string()));
        loop {
            match self.answered(what, &self.api_subject(verb), None, body.clone()).await? {
                Some(told) => return Ok(told),
                None if begun.elapsed() < NOBODY => tokio::time::sleep(PAUSE).await,
                None => return Err(self.nobody(what)),
            }
        }
    }

    /// The error of a refusal that nothing can be made of.
    pub(super) fn refused(&self, what: &str, refusal: &Refusal) -> Error {
        match refusal.error_code() {
            ErrorCode::STREAM_NOT_FOUND => missing(what),
            ErrorCode::MESSAGE_TTL_DISABLED => {
                Error::new(ErrorKind::Unavailable, format!("{what}: keys of the bucket `{RUNS}` do not end"))
                    .because(refusal.to_string())
                    .hint("correct the bucket with `cargo xtask infra:nats:bootstrap`")
            }
            ErrorCode::STREAM_STORE_FAILED => self.fault(what, Instant::now(), refusal),
            code => self.nats.refused(what, &api::Refusal { number: code.0, text: refusal.to_string() }),
        }
    }

    /// Why nobody listened where a stream should: it is not there, or JetStream was away for a moment.
    pub(super) async fn unheard(&self, what: &str, stream: &str) -> Error {
        match self.api::<Value>(what, &format!("STREAM.INFO.{stream}"), &json!({})).await {
            Ok(Ok(_)) => Error::new(ErrorKind::Unavailable, what)
                .because(format!("nobody listens for the stream {}", quoted(stream)))
                .hint(
                    "run it again; if that stays, correct the stream with `cargo xtask infra:nats:bootstrap`",
                )
                .retryable(),
            Ok(Err(refusal)) => self.refused(what, &refusal),
            Err(error) => error,
        }
    }

    fn nobody(&self, what: &str) -> Error {
        Error::new(ErrorKind::Unavailable, what)
            .with("at", self.nats.target().address())
            .because("JetStream does not answer there")
            .hint(self.nats.start_jetstream())
            .hint("run `cargo xtask infra:nats:health` to see what works")
            .retryable()
    }
}

/// The error of a stream or bucket that was not made yet, or was deleted. It may be made any time, so waiting may help.
fn missing(what: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("{what}: NATS lacks what runs are kept in"))
        .with("needed", format!("bucket {RUNS}, stream {WORK}"))
        .hint("make both with `cargo xtask infra:nats:bootstrap`, with the `--env` of this one; who waits for them then goes on by itself")
        .retryable()
}

/// What JetStream answered.
///
/// # Errors
/// `Invalid` for what is none of its answers.
pub(super) fn parse<V: DeserializeOwned>(what: &str, message: &Message) -> Result<Result<V, Refusal>> {
    match serde_json::from_slice(&message.payload).context(format!("{what}: read JetStream's answer"))? {
        Response::Err { error } => Ok(Err(error)),
        Response::Ok(value) => Ok(Ok(value)),
    }
}

/// Whether a refusal only says that JetStream cannot now: between two leaders, or while the same is being written.
pub(super) fn passes(refusal: &Refusal) -> bool {
    [
        ErrorCode::CLUSTER_NOT_AVAILABLE,
        ErrorCode::CLUSTER_NOT_LEADER,
        ErrorCode::STREAM_DUPLICATE_MESSAGE_CONFLICT,
        ErrorCode::STREAM_EXPECTED_LAST_SEQ_PER_SUBJECT_NOT_READY,
    ]
    .contains(&refusal.error_code())
}
