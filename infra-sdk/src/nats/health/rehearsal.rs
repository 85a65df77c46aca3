//! Whether what a repo tells would be taken, asked without telling anything.

use async_nats::HeaderMap;
use serde::Deserialize;

use crate::events::Source;
use crate::health::{Probe, State};
use crate::nats::api::Refusal;
use crate::nats::assets::{EVENT_SUBJECTS, LEDGER_SUBJECTS};
use crate::nats::health::ask::{Ask, Unanswered, answer};
use crate::nats::health::canary::{NAME, explained};
use crate::nats::subject::token;

/// A repo, and whether it also writes into a ledger that is kept here.
#[derive(Clone, Copy)]
pub(super) struct Speaker<'a> {
    pub(super) source: &'a Source,
    pub(super) ledger: bool,
}

/// One kind of message, as the stream that is to take it is asked about it.
struct Part {
    subject: String,
    /// What is tried: `publishing events`.
    doing: &'static str,
    /// What it would be: `events`.
    what: &'static str,
}

#[derive(Deserialize)]
struct Ack {}

/// Asks for everything that the repo tells, and gives the first that would not be taken.
pub(super) async fn rehearse(ask: Ask<'_>, speaker: Speaker<'_>) -> Probe {
    let (org, repo) = (token(speaker.source.org().as_str()), token(speaker.source.repo().as_str()));
    let events = Part {
        subject: format!("{EVENT_SUBJECTS}.{org}.{repo}.health"),
        doing: "publishing events",
        what: "events",
    };
    let entries = Part {
        subject: format!("{LEDGER_SUBJECTS}.{org}"),
        doing: "adding to the ledger",
        what: "entries of the ledger",
    };
    let mut told = Vec::new();
    for part in [events].into_iter().chain(speaker.ledger.then_some(entries)) {
        if let Some(refused) = refused(ask, &part).await {
            return refused;
        }
        told.push(part.what);
    }
    let told = told.join(" and ");
    Probe::new(NAME, State::Ok, format!("{told} of this repo would be taken; nothing was written"))
}

/// Sends a message that its stream cannot take, for it is to follow one that does not exist: that refusal proves that it may
/// be sent, and that a leader decided about it. Nothing is written. Any other end is what is wrong.
async fn refused(ask: Ask<'_>, part: &Part) -> Option<Probe> {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Expected-Last-Sequence", u64::MAX.to_string().as_str());
    let tried = async { answer::<Ack>(&ask.send(&part.subject, Some(headers), b"").await?) };
    let failed = |saw: String| Probe::new(NAME, State::Failed, saw);
    match tried.await {
        Err(Unanswered::Refused(number, _)) if Refusal::LATE.contains(&number) => None,
        Err(Unanswered::Nobody(_)) => Some(
            failed(format!("no stream takes the {} of this repo", part.what))
                .hint("run `infra:nats:bootstrap`"),
        ),
        Err(why) => Some(explained(why.probe(NAME, part.doing), &why)),
        Ok(Ack {}) => Some(
            failed(format!("the stream took one of the {} that follows none of its own", part.what))
                .hint("look at its stream: it does not compare sequences, as JetStream does"),
        ),
    }
}
