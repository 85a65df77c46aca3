//! Events in a JetStream stream: one subject an organisation, repository, environment and type.

use std::time::{Duration, Instant};

use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_trait::async_trait;
use futures_util::StreamExt;

use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::events::{Event, EventBus, Page, Published, Query, Source};
use crate::nats::Nats;
use crate::nats::assets::{EVENT_SUBJECTS, EVENTS};
use crate::nats::pages::Begin;
use crate::nats::subject::token;

/// The form of what is sent, as CloudEvents' binding for NATS names it: the whole event as one JSON text
/// (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/nats-protocol-binding.md>).
const STRUCTURED: &str = "application/cloudevents+json";

/// What a server adds around an event, in bytes: subject and headers.
const AROUND: usize = 2_048;

/// The longest subject; a server closes connections over lines of 4 KiB.
const LONGEST: usize = 1_024;

/// How many names are tried for an event where others have taken them.
const TURNS: u32 = 3;

/// The longest name by which an event is known again, before it is replaced by its digest.
const LONGEST_NAME: usize = 256;

/// An event bus on JetStream, in the stream `INFRA_EVENTS` that `infra:nats:bootstrap` makes.
///
/// An event of `/acme/shop` about `staging` has the subject `infra.v1.evt.acme.shop.staging.deploy.done`, so that the
/// permissions of a user are one prefix. An event whose source is not that of its subject is a forged one and is passed
/// over: what the server let somebody publish is what they may say.
///
/// A server knows an event again by its source and id for as long as it keeps it, 30 days. A cursor is the stream's number
/// of a message, with the time at which the stream was made: one of a stream that was made anew is refused.
///
/// ```no_run
/// # async fn example(nats: infra_sdk::nats::Nats) -> infra_sdk::Result<()> {
/// use infra_sdk::{events::{EventBus, Query}, nats::NatsBus};
/// for (cursor, event) in NatsBus::new(nats).read(&Query::first(10)).await?.events {
///     println!("{cursor}: {} of {}", event.kind, event.source);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct NatsBus {
    pub(super) nats: Nats,
}

impl NatsBus {
    /// The bus of the account that `nats` connects to.
    pub fn new(nats: Nats) -> Self {
        NatsBus { nats }
    }

    /// Whether a message is known to be no event of `source`, as its subject says.
    async fn is_of_another(&self, source: &Source, number: u64) -> bool {
        let (all, begin) = (format!("{EVENT_SUBJECTS}.>"), Begin::Number(number));
        let Ok(batch) = self.nats.batch("look at an event", EVENTS, &all, begin, 1).await else {
            return false;
        };
        let own = format!("{}.", prefix_of(source));
        batch.messages.iter().any(|kept| kept.number == number && !kept.subject.starts_with(&own))
    }

    /// Why an event found nobody who keeps it.
    async fn unkept(&self, what: &str) -> Error {
        // No stream and no JetStream look alike to who publishes.
        match self.nats.stream(what, EVENTS).await {
            Err(error) => error,
            Ok(_) => Error::invalid(what)
                .with("stream", EVENTS)
                .because(format!("the stream does not take `{EVENT_SUBJECTS}.>`"))
                .hint("run `cargo xtask infra:nats:bootstrap`, which corrects it"),
        }
    }
}

#[async_trait]
impl EventBus for NatsBus {
    async fn publish(&self, event: &Event) -> Result<Published> {
        let json = event.to_json()?;
        let subject = subject_of(event)?;
        let jetstream = self.nats.jetstream().await?;
        let most = self.nats.client().await?.max_payload();
        if json.len() + AROUND > most {
            return Err(Error::invalid("an event is too large for this server")
                .with("at", self.nats.target().address())
                .with("bytes", json.len())
                .with("at most", most.saturating_sub(AROUND))
                .hint("put the data where readers can fetch it, and its address into the event")
                .hint("or raise `max_payload` of the server"));
        }
        let what = "publish an event";
        let json = bytes::Bytes::from(json);
        let name = known_as(&event.source, &event.id);
        for turn in 0..TURNS {
            let message = PublishMessage::build()
                .payload(json.clone())
                .message_id(if turn == 0 { name.clone() } else { format!("{name}~{turn}") })
                .header("content-type", STRUCTURED)
                .expected_stream(EVENTS);
            let since = Instant::now();
            let denied = format!("publish {subject}");
            let sent = async { jetstream.send_publish(subject.clone(), message).await?.await };
            match self.nats.unless_denied(&[&denied], since, sent).await {
                None => return Err(self.nats.denied(what, &denied)),
                Some(Ok(ack)) if !ack.duplicate => return Ok(Published::Now),
                Some(Ok(ack)) => {
                    // Whoever may publish anything may say by which name: one that is taken by another's message is no
                    // sign that this event is there.
                    if !self.is_of_another(&event.source, ack.sequence).await {
                        return Ok(Published::Before);
                    }
                }
                Some(Err(error)) if error.kind() == PublishErrorKind::StreamNotFound => {
                    return Err(self.unkept(what).await);
                }
                Some(Err(error)) => return Err(self.nats.fault(what, since, &error).with("stream", EVENTS)),
            }
        }
        Err(Error::new(
            ErrorKind::Conflict,
            "the names by which this event would be known are taken by other repos",
        )
        .with("id", event.id.escape_debug())
        .hint("find out who publishes with a `Nats-Msg-Id` of this repo; or give the event another id"))
    }

    async fn read(&self, query: &Query) -> Result<Page> {
        self.read_from_stream(query).await
    }

    /// Listens to the subjects themselves, which costs the server nothing while nothing comes. Who may not listen, or sits
    /// where only the stream can be reached, is told after `at_most`.
    async fn wait(&self, query: &Query, at_most: Duration) -> Result<()> {
        let end = tokio::time::Instant::now() + at_most;
        let client = self.nats.client().await?;
        let subject = match &query.source {
            Some(source) => format!("{}.>", prefix_of(source)),
            None => format!("{EVENT_SUBJECTS}.>"),
        };
        let since = Instant::now();
        let what = "listen for events";
        let mut heard =
            client.subscribe(subject).await.map_err(|error| self.nats.fault(what, since, &error))?;
        // What came before the server knew that somebody listens is in the stream by now.
        if tokio::time::timeout_at(end, client.flush()).await.is_err()
            || !self.read(&Query { limit: 1, ..query.clone() }).await?.events.is_empty()
        {
            return Ok(());
        }
        let _ = tokio::time::timeout_at(end, heard.next()).await;
        Ok(())
    }
}

/// What the subjects of a repository's events begin with.
fn prefix_of(source: &Source) -> String {
    format!("{EVENT_SUBJECTS}.{}.{}", token(source.org().as_str()), token(source.repo().as_str()))
}

/// The subject of an event: `infra.v1.evt.ORG.REPO.ENV.TYPE`, where the dots of a type stay.
///
/// # Errors
/// `Invalid` when its type and subject are too long for one.
pub(super) fn subject_of(event: &Event) -> Result<String> {
    let environment = part(event.subject.as_deref().unwrap_or_default());
    let subject = format!("{}.{environment}.{}", prefix_of(&event.source), kind_of(&event.kind));
    if subject.len() <= LONGEST {
        return Ok(subject);
    }
    Err(Error::invalid("the type and the subject of an event are too long for NATS")
        .with("bytes", subject.len())
        .with("at most", LONGEST)
        .hint("say in the data what is long"))
}

fn kind_of(kind: &str) -> String {
    kind.split('.').map(part).collect::<Vec<_>>().join(".")
}

/// A text as a token that is never empty.
fn part(text: &str) -> String {
    if text.is_empty() { "=".to_owned() } else { token(text) }
}

/// The subjects that may hold what a query asks for: a type, and what lies below it.
pub(super) fn filters(query: &Query) -> Vec<String> {
    let prefix = query.source.as_ref().map_or_else(|| format!("{EVENT_SUBJECTS}.*.*"), prefix_of);
    match &query.kind {
        None => vec![format!("{prefix}.>")],
        Some(kind) => {
            let kind = kind_of(kind);
            vec![format!("{prefix}.*.{kind}"), format!("{prefix}.*.{kind}.>")]
        }
    }
}

/// What a server knows an event by when it comes again: the id of two sources is two events.
fn known_as(source: &Source, id: &str) -> String {
    let name = format!("{source}/{}", token(id));
    if name.len() <= LONGEST_NAME { name } else { Digest::of(name.as_bytes()).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(source: &str, kind: &str, subject: Option<&str>) -> Event {
        let mut event = Event::new(source.parse().unwrap(), kind, "", serde_json::Value::Null).unwrap();
        event.subject = subject.map(str::to_owned);
        event
    }

    #[test]
    fn no_name_adds_a_token_to_a_subject() {
        for (source, kind, subject, expected) in [
            ("/acme/shop", "deploy.done", Some("staging"), "infra.v1.evt.acme.shop.staging.deploy.done"),
            ("/acme/shop.api", "x", Some("a.b c*>"), "infra.v1.evt.acme.shop=2Eapi.a=2Eb=20c=2A=3E.x"),
            ("/acme/shop", "a..b", None, "infra.v1.evt.acme.shop.=.a.=.b"),
            ("/acme/shop", "größe.>", Some("="), "infra.v1.evt.acme.shop.=3D.gr=C3=B6=C3=9Fe.=3E"),
        ] {
            assert_eq!(subject_of(&event(source, kind, subject)).unwrap(), expected);
        }
        let error = subject_of(&event("/acme/shop", &"x".repeat(5_000), None)).unwrap_err();
        assert!(error.to_string().contains("at most: 1024"), "{error}");
    }

    #[test]
    fn a_query_asks_for_the_subjects_that_can_hold_what_it_wants() {
        let mut query = Query::first(1);
        assert_eq!(filters(&query), ["infra.v1.evt.*.*.>"]);
        query.source = Some("/acme/shop".parse().unwrap());
        assert_eq!(filters(&query), ["infra.v1.evt.acme.shop.>"]);
        query.kind = Some("deploy".into());
        assert_eq!(filters(&query), ["infra.v1.evt.acme.shop.*.deploy", "infra.v1.evt.acme.shop.*.deploy.>"]);
    }

    #[test]
    fn an_id_is_known_by_its_source_and_never_breaks_a_header() {
        let (shop, web) = ("/acme/shop".parse().unwrap(), "/acme/web".parse().unwrap());
        assert_eq!(known_as(&shop, "1"), "/acme/shop/1");
        assert_ne!(known_as(&shop, "1"), known_as(&web, "1"));
        assert_eq!(known_as(&shop, "a\r\nb: c"), "/acme/shop/a=0D=0Ab=3A=20c");
        assert!(known_as(&shop, &"x".repeat(9_000)).starts_with("sha256:"));
        assert_ne!(known_as(&shop, &"x".repeat(9_000)), known_as(&shop, &"x".repeat(9_001)));
    }
}
