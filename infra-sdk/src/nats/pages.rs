//! Reading what a stream holds, many messages with one request.

use std::time::{Duration, Instant};

use async_nats::Message;
use bytes::Bytes;
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::json;

use crate::error::{Error, ErrorKind, Result};
use crate::nats::Nats;
use crate::time::Timestamp;

/// How many messages are asked for at once.
pub(super) const BATCH: usize = 500;
/// How many bytes are asked for at once; a server sends one message more.
const BYTES: u64 = 4 << 20;
/// How long the next message of an answer may take.
const NEXT: Duration = Duration::from_secs(5);

/// What is known of a stream without reading it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Info {
    pub(super) created: Timestamp,
    state: State,
    config: Direct,
    #[serde(default)]
    cluster: Option<Cluster>,
}

#[derive(Clone, Debug, Deserialize)]
struct State {
    last_seq: u64,
}

#[derive(Clone, Debug, Deserialize)]
struct Direct {
    #[serde(default)]
    allow_direct: bool,
}

#[derive(Clone, Debug, Deserialize)]
struct Cluster {
    #[serde(default)]
    replicas: Option<Vec<serde::de::IgnoredAny>>,
}

impl Info {
    /// The number of the newest message that there ever was; 0 when there was none.
    pub(super) fn last(&self) -> u64 {
        self.state.last_seq
    }

    /// Whether a copy may answer that has not heard of the newest messages.
    pub(super) fn has_copies(&self) -> bool {
        self.cluster
            .as_ref()
            .and_then(|cluster| cluster.replicas.as_ref())
            .is_some_and(|list| !list.is_empty())
    }
}

/// One message as a stream keeps it.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) number: u64,
    pub(super) subject: String,
    pub(super) payload: Bytes,
    pub(super) time: Timestamp,
}

/// Where to begin.
#[derive(Clone, Copy, Debug)]
pub(super) enum Begin {
    Number(u64),
    Time(Timestamp),
}

/// Some messages in order.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) messages: Vec<Kept>,
    /// Whether who answered has no more.
    pub(super) is_all: bool,
}

impl Nats {
    /// Looks at a stream that can be read from.
    ///
    /// # Errors
    /// `NotFound` when it is not there, `Invalid` when it is not set up for reading; both say how to mend it.
    pub(super) async fn stream(&self, what: &str, stream: &str) -> Result<Info> {
        let answer = self.ask::<Info>(what, &format!("STREAM.INFO.{stream}"), &()).await?;
        let info = answer.map_err(|refusal| self.refused(what, &refusal).with("stream", stream))?;
        if info.config.allow_direct {
            return Ok(info);
        }
        Err(Error::invalid(what)
            .with("stream", stream)
            .because("its setting `allow_direct` is off, so nothing can be read from it")
            .hint("run `cargo xtask infra:nats:bootstrap`, which turns it on"))
    }

    /// At most `most` messages whose subject matches `filter`, in order. Any server that has a copy may answer.
    ///
    /// The request is that of [ADR-31](https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-31.md):
    /// one question, many answers, and a last one that has no content.
    ///
    /// # Errors
    /// `Denied` and `Unavailable`, also when the answer breaks off.
    pub(super) async fn batch(
        &self,
        what: &str,
        stream: &str,
        filter: &str,
        begin: Begin,
        most: usize,
    ) -> Result<Batch> {
        let jetstream = self.jetstream().await?;
        let client = self.client().await?;
        let mut question = json!({ "next_by_subj": filter, "batch": most.min(BATCH), "max_bytes": BYTES });
        match begin {
            Begin::Number(number) => question["seq"] = json!(number.max(1)),
            Begin::Time(time) => question["start_time"] = json!(time),
        }
        let subject = format!("DIRECT.GET.{stream}");
        let denied = format!("publish {}.{subject}", self.api_prefix());
        let since = Instant::now();
        let inbox = client.new_inbox();
        let refused = |error: &(dyn std::error::Error + 'static)| self.fault(what, since, error);
        let mut answers = client.subscribe(inbox.clone()).await.map_err(|error| refused(&error))?;
        let request = async_nats::Request::new().payload(question.to_string().into()).inbox(inbox);
        jetstream.send_request(subject, request).await.map_err(|error| refused(&error))?;
        let mut messages: Vec<Kept> = Vec::new();
        loop {
            let next = tokio::time::timeout(NEXT, answers.next());
            let Some(next) = self.unless_denied(&[&denied], since, next).await else {
                return Err(self.denied(what, &denied));
            };
            let Ok(Some(answer)) = next else { return Err(refused(&Broken("the answer timed out"))) };
            match answer.status.map(|status| status.as_u16()) {
                // No message at all, or no further one.
                Some(404) => return Ok(Batch { messages, is_all: true }),
                Some(204) => {
                    let is_all = number(&answer, "Nats-Num-Pending").is_none_or(|pending| pending == 0);
                    if messages.is_empty() && !is_all {
                        return Err(refused(&Broken("the answer is empty, and there is more")));
                    }
                    return Ok(Batch { messages, is_all });
                }
                Some(503) => return Err(refused(&Broken("no responders"))),
                Some(200) | None => {}
                Some(_) => {
                    let said = answer.description.unwrap_or_default();
                    return Err(refused(&Broken("the server refuses the request")).with("it says", said));
                }
            }
            // Each answer names the one before: none was lost on the way.
            let before = messages.last().map_or(0, |kept: &Kept| kept.number);
            if number(&answer, "Nats-Last-Sequence").is_some_and(|last| last != before) {
                return Err(refused(&Broken("a part of the answer was lost")));
            }
            let kept =
                Kept::of(answer).ok_or_else(|| refused(&Broken("a part of the answer is no message")))?;
            if messages.len() >= most.min(BATCH) || kept.number <= before {
                return Err(refused(&Broken("the answer is not what was asked for")));
            }
            messages.push(kept);
        }
    }

    /// The message of that number or the first one behind it whose subject matches, asked of the server that leads.
    ///
    /// # Errors
    /// `Denied` and `Unavailable`.
    pub(super) async fn first_from(
        &self,
        what: &str,
        stream: &str,
        filter: &str,
        number: u64,
    ) -> Result<Option<Kept>> {
        self.one(what, stream, &json!({ "seq": number.max(1), "next_by_subj": filter })).await
    }

    /// The newest message of a subject, asked of the server that leads.
    ///
    /// # Errors
    /// `Denied` and `Unavailable`; `NotFound` when the stream is not there.
    pub(super) async fn newest_of(&self, what: &str, stream: &str, subject: &str) -> Result<Option<Kept>> {
        self.one(what, stream, &json!({ "last_by_subj": subject })).await
    }

    /// The message of that number, asked of the server that leads.
    ///
    /// # Errors
    /// `Denied` and `Unavailable`.
    pub(super) async fn at(&self, what: &str, stream: &str, number: u64) -> Result<Option<Kept>> {
        self.one(what, stream, &json!({ "seq": number })).await
    }

    async fn one(&self, what: &str, stream: &str, question: &serde_json::Value) -> Result<Option<Kept>> {
        use base64::Engine as _;

        /// Content comes as base64 here (<https://docs.nats.io/reference/reference-protocols/nats_api_reference>).
        #[derive(Deserialize)]
        struct Found {
            message: Message,
        }
        #[derive(Deserialize)]
        struct Message {
            seq: u64,
            subject: String,
            #[serde(default)]
            data: String,
            time: Timestamp,
        }
        match self.ask::<Found>(what, &format!("STREAM.MSG.GET.{stream}"), question).await? {
            Ok(Found { message: Message { seq, subject, data, time } }) => {
                let payload = base64::engine::general_purpose::STANDARD.decode(data).map_err(|error| {
                    Error::new(ErrorKind::Failed, what)
                        .because(error)
                        .hint("check that the address is that of a NATS server")
                })?;
                Ok(Some(Kept { number: seq, subject, payload: payload.into(), time }))
            }
            Err(refusal) if refusal.number == crate::nats::api::Refusal::NO_MESSAGE => Ok(None),
            Err(refusal) => Err(self.refused(what, &refusal).with("stream", stream)),
        }
    }
}

impl Kept {
    /// From one of the answers: where it lies stands in headers.
    fn of(answer: Message) -> Option<Self> {
        Some(Kept {
            number: number(&answer, "Nats-Sequence")?,
            subject: header(&answer, "Nats-Subject")?.to_owned(),
            time: header(&answer, "Nats-Time-Stamp")?.parse().ok()?,
            payload: answer.payload,
        })
    }
}

fn header<'a>(answer: &'a Message, name: &str) -> Option<&'a str> {
    Some(answer.headers.as_ref()?.get_last(name)?.as_str())
}

fn number(answer: &Message, name: &str) -> Option<u64> {
    header(answer, name)?.parse().ok()
}

/// What a server did that it should not have done.
#[derive(Debug)]
struct Broken(&'static str);

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Broken {}
