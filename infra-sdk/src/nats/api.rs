//! One request to JetStream's own interface: an answer, a refusal with its number, or why there was neither.

use std::future::Future;
use std::time::{Duration, Instant};

use async_nats::jetstream::context::RequestErrorKind;
use async_nats::jetstream::response::Response;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind, Result};
use crate::nats::Nats;

/// How often a call that waits looks whether it was denied.
const GLANCE: Duration = Duration::from_millis(20);

/// What to do where JetStream is off.
pub(super) const OFF: &str = "start nats-server with JetStream (`-js`), or enable it for the account";

/// The same where it is asked by a name of its own.
pub(super) const OFF_ELSEWHERE: &str = "correct the JetStream domain (`domain` of `nats` in infra.toml, `jetstream_domain` of \
                                        the context) or its prefix, or start JetStream in it (`-js`)";

/// What JetStream answered: what was asked for, or its refusal.
pub(super) type Answer<T> = Result<T, Refusal>;

/// JetStream's own word that it will not, with its number
/// (<https://github.com/nats-io/nats-server/blob/main/server/errors.json>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) number: u64,
    pub(super) text: String,
}

impl Refusal {
    pub(super) const STREAM_NOT_FOUND: u64 = 10059;
    pub(super) const NO_MESSAGE: u64 = 10037;
    pub(super) const NOT_ENABLED: [u64; 2] = [10039, 10076];
    /// No storage, no memory, no streams or consumers left in the account or on the server.
    pub(super) const LIMITS: [u64; 7] = [10002, 10023, 10026, 10027, 10028, 10047, 10122];
    /// Fewer servers than replicas were asked for.
    pub(super) const NO_PEERS: [u64; 3] = [10005, 10074, 10010];
    /// Another stream takes the same subjects.
    pub(super) const SUBJECTS_OVERLAP: u64 = 10065;
    /// The account wants streams to say how large they may become.
    pub(super) const SIZE_REQUIRED: u64 = 10113;

    /// What was expected to be the newest is not: by the number that was there, or without it.
    pub(super) const LATE: [u64; 2] = [10071, 10164];

    /// The refusal that an error of a call holds.
    pub(super) fn of(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(cause) = next {
            if let Some(error) = cause.downcast_ref::<async_nats::jetstream::Error>() {
                return Some(Refusal { number: error.error_code().0, text: error.to_string() });
            }
            next = cause.source();
        }
        None
    }

    pub(super) fn is_missing(&self) -> bool {
        self.number == Self::STREAM_NOT_FOUND
    }
}

impl Nats {
    /// What JetStream's interface is addressed with.
    pub(super) fn api_prefix(&self) -> String {
        match (&self.target().api_prefix, &self.target().domain) {
            (Some(prefix), _) => prefix.value.clone(),
            (None, Some(domain)) => format!("$JS.{}.API", domain.value),
            (None, None) => "$JS.API".to_owned(),
        }
    }

    /// Asks JetStream; `what` says what for: `look at the stream INFRA_EVENTS`.
    ///
    /// # Errors
    /// `Denied` at once when the subject may not be used; `Unavailable` when nothing answers.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        what: &str,
        subject: &str,
        body: &(impl Serialize + ?Sized),
    ) -> Result<Answer<T>> {
        let jetstream = self.jetstream().await?;
        let since = Instant::now();
        let call = jetstream.request::<_, _, Response<T>>(subject.to_owned(), body);
        let denied = format!("publish {}.{subject}", self.api_prefix());
        let Some(answered) = self.unless_denied(&[&denied], since, call).await else {
            return Err(self.denied(what, &denied));
        };
        match answered {
            Ok(Response::Ok(answer)) => Ok(Ok(answer)),
            Ok(Response::Err { error }) if Refusal::NOT_ENABLED.contains(&error.error_code().0) => {
                Err(self.without_jetstream(what).because(error.to_string()))
            }
            Ok(Response::Err { error }) => {
                Ok(Err(Refusal { number: error.error_code().0, text: error.to_string() }))
            }
            Err(error) if error.kind() == RequestErrorKind::NoResponders => {
                Err(self.without_jetstream(what).because("nobody answers there"))
            }
            Err(error) => Err(self.fault(what, since, &error)),
        }
    }

    /// Waits for a call, and no longer when the server says meanwhile that one of its subjects may not be used: the call
    /// itself is never told and would wait for its whole time.
    pub(super) async fn unless_denied<T>(
        &self,
        subjects: &[&str],
        since: Instant,
        call: impl Future<Output = T>,
    ) -> Option<T> {
        let mut call = std::pin::pin!(call);
        loop {
            tokio::select! {
                done = &mut call => return Some(done),
                () = tokio::time::sleep(GLANCE) => {}
            }
            if subjects.iter().any(|subject| self.denials().has(subject, since)) {
                return None;
            }
        }
    }

    /// The error for a subject that may not be used: `denied` is `publish SUBJECT` or `subscribe SUBJECT`.
    pub(super) fn denied(&self, what: &str, denied: &str) -> Error {
        Error::new(ErrorKind::Denied, what)
            .with("at", self.target().address())
            .because(format!("this user may not {denied}"))
            .hint(format!("let who manages the account allow it: {denied}"))
            .hint("`infra:nats:access` lists what a repo needs")
    }

    /// What a refusal means, and what to do about it.
    pub(super) fn refused(&self, what: &str, refusal: &Refusal) -> Error {
        let made =
            |kind| Error::new(kind, what).with("at", self.target().address()).because(refusal.text.clone());
        match refusal.number {
            Refusal::STREAM_NOT_FOUND => {
                made(ErrorKind::NotFound).hint("run `cargo xtask infra:nats:bootstrap` once, which makes what is missing")
            }
            number if Refusal::LIMITS.contains(&number) => made(ErrorKind::Unavailable)
                .hint("a limit of the account or of the server's storage is reached: raise it, or remove what nobody needs")
                .hint("`infra:nats:health` shows the limits"),
            number if Refusal::NO_PEERS.contains(&number) => made(ErrorKind::Unavailable)
                .hint("start the missing servers, or name fewer copies: `nats = { replicas = 1 }` in infra.toml"),
            Refusal::SUBJECTS_OVERLAP => made(ErrorKind::Conflict)
                .hint("another stream of the account takes subjects below `infra.v1`: delete it, or use an account of its own"),
            Refusal::SIZE_REQUIRED => made(ErrorKind::Invalid)
                .hint("the account wants every stream to have a `max_bytes`: set one there"),
            _ => made(ErrorKind::Unavailable).hint("run `infra:nats:health` to see what works"),
        }
    }

    fn without_jetstream(&self, what: &str) -> Error {
        Error::new(ErrorKind::Unavailable, what)
            .with("at", self.target().address())
            .with("asked", self.api_prefix())
            .hint(self.start_jetstream())
    }

    /// What to do where nobody answers for JetStream.
    pub(super) fn start_jetstream(&self) -> &'static str {
        if self.api_prefix() == "$JS.API" { OFF } else { OFF_ELSEWHERE }
    }
}
