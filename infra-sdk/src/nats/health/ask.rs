//! One question to a server within a time of its own, and every way it can end.

use std::time::{Duration, Instant};

use async_nats::client::{Request, RequestErrorKind};
use async_nats::{Client, HeaderMap, Message};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::health::{Probe, State};
use crate::nats::Nats;
use crate::nats::api::{OFF, OFF_ELSEWHERE, Refusal};
use crate::nats::fault::chain;
use crate::time::human;

/// How often a question that waits looks whether it was denied.
const GLANCE: Duration = Duration::from_millis(5);
/// By how much less than a whole budget is not worth telling apart.
const LITTLE: Duration = Duration::from_millis(100);
/// JetStream's number for no leader: a cluster without a majority.
const LEADERLESS: u64 = 10008;

/// Asks one server until a point in time.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) nats: &'a Nats,
    pub(super) client: &'a Client,
    pub(super) until: Instant,
    /// How long everything that ends there may take together.
    pub(super) budget: Duration,
}

/// Why there is no answer to make use of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// This is not allowed: `publish SUBJECT`.
    Denied(String),
    /// Nobody serves this subject.
    Nobody(String),
    /// Nothing came within this time, which was what was left of the other.
    Silent { waited: Duration, budget: Duration },
    /// JetStream refuses, by number and words.
    Refused(u64, String),
    /// Something else.
    Broken(String),
}

#[derive(Deserialize)]
struct Refused {
    error: ApiError,
}

#[derive(Deserialize)]
struct ApiError {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

impl Ask<'_> {
    /// The same with another end.
    pub(super) fn until(self, until: Instant, budget: Duration) -> Self {
        Ask { until, budget, ..self }
    }

    /// A message to `subject`, and what came back.
    pub(super) async fn send(
        &self,
        subject: &str,
        headers: Option<HeaderMap>,
        payload: &[u8],
    ) -> Result<Message, Unanswered> {
        let request = Request::new().payload(payload.to_vec().into());
        let request = match headers {
            Some(headers) => request.headers(headers),
            None => request,
        };
        self.ask(subject, request).await
    }

    /// The same where a message of a stream is what comes back: it keeps its own subject, so that only a subscription of
    /// its own can tell whom it is for.
    pub(super) async fn fetch(&self, subject: &str, payload: &[u8]) -> Result<Message, Unanswered> {
        let request = Request::new().payload(payload.to_vec().into()).inbox(self.client.new_inbox());
        self.ask(subject, request).await
    }

    async fn ask(&self, subject: &str, request: Request) -> Result<Message, Unanswered> {
        let since = Instant::now();
        let request = request.timeout(Some(self.until.saturating_duration_since(since)));
        let mut call = std::pin::pin!(self.client.send_request(subject.to_owned(), request));
        let wanted = format!("publish {subject}");
        let ended = loop {
            tokio::select! {
                ended = &mut call => break ended,
                () = tokio::time::sleep(GLANCE) => {}
            }
            if let Some(denied) = self.denied(&wanted, since) {
                return Err(Unanswered::Denied(denied));
            }
        };
        ended.map_err(|error| match error.kind() {
            RequestErrorKind::NoResponders => Unanswered::Nobody(subject.to_owned()),
            RequestErrorKind::TimedOut => match self.denied(&wanted, since) {
                Some(denied) => Unanswered::Denied(denied),
                None => Unanswered::Silent { waited: since.elapsed(), budget: self.budget },
            },
            _ => Unanswered::Broken(chain(&error)),
        })
    }

    /// What the server said about this question that is no answer to it. Answers come over one subscription, which is made
    /// with the first question of the connection: when that is denied, every later one is silent.
    fn denied(&self, wanted: &str, since: Instant) -> Option<String> {
        let denials = self.nats.denials();
        let own = denials.has(wanted, since).then(|| wanted.to_owned());
        own.or_else(|| denials.inbox(self.nats.target().inbox()))
    }

    /// A question to JetStream's interface: `STREAM.INFO.x`.
    pub(super) async fn api<T: DeserializeOwned>(&self, subject: &str, body: &[u8]) -> Result<T, Unanswered> {
        let subject = format!("{}.{subject}", self.nats.api_prefix());
        answer(&self.send(&subject, None, body).await?)
    }
}

/// What JetStream answered: what was asked for, or its refusal.
pub(super) fn answer<T: DeserializeOwned>(message: &Message) -> Result<T, Unanswered> {
    if let Ok(Refused { error }) = serde_json::from_slice(&message.payload) {
        return Err(Unanswered::Refused(error.err_code, error.description));
    }
    serde_json::from_slice(&message.payload)
        .map_err(|_| Unanswered::Broken("an answer that is none of JetStream".to_owned()))
}

impl Unanswered {
    /// The probe `name` that ended so; `what` says what was tried: `writing`.
    pub(super) fn probe(&self, name: &'static str, what: &str) -> Probe {
        let failed = |saw: String| Probe::new(name, State::Failed, saw);
        match self {
            Unanswered::Denied(subject) => {
                Probe::new(name, State::NotPermitted, format!("{what} needs permission to {subject}"))
                    .hint(format!("let who manages the account allow it: {subject}"))
            }
            // Behind a prefix, too, keys are of streams.
            Unanswered::Nobody(subject) if subject.contains(BUCKET) => {
                failed(format!("{what}: no stream takes {subject}"))
                    .hint("run `infra:nats:bootstrap`: the bucket has other subjects than its keys")
            }
            Unanswered::Nobody(subject) if subject.starts_with("$JS.API.") => {
                failed(format!("{what}: nobody answers, JetStream is off"))
                    .hint(OFF)
            }
            Unanswered::Nobody(subject) if !subject.ends_with(".API.INFO") && !subject.contains(".API.STREAM.") => {
                failed(format!("{what}: nobody answers on {subject}")).hint("run it again; look at the server's log")
            }
            Unanswered::Nobody(subject) => failed(format!("{what}: nobody answers on {subject}")).hint(OFF_ELSEWHERE),
            Unanswered::Refused(code, text) if Refusal::NOT_ENABLED.contains(code) => failed(format!("JetStream is off: {text}"))
                .hint(OFF),
            Unanswered::Refused(code, text) if *code == LEADERLESS => {
                failed(format!("{what}: the cluster has no leader: {text}")).hint(MAJORITY)
            }
            Unanswered::Refused(code, text) => failed(format!("{what} is refused: {text} ({code})"))
                .hint("what the number means stands in nats-server's errors.json; a limit is raised by who manages the account"),
            Unanswered::Silent { waited, budget } if *waited + LITTLE < *budget => failed(format!(
                "{what}: no answer within {}, what was left of {}",
                human(*waited),
                human(*budget)
            ))
            .hint(MAJORITY),
            Unanswered::Silent { waited, .. } => {
                failed(format!("{what}: no answer within {}", human(*waited))).hint(MAJORITY)
            }
            Unanswered::Broken(why) => failed(format!("{what}: {why}")).hint("run it again; look at the server's log"),
        }
    }
}

/// What the keys of the bucket of runs begin with.
const BUCKET: &str = "$KV.infra-runs.";

/// What to do where nothing is decided any more.
const MAJORITY: &str = "look at the server's log and disk; in a cluster, start the servers that are down: without a majority \
                        of them nothing is written, whatever healthz says";
