//! Several messages of a stream in one request: the last of each subject, or those after a place.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use async_nats::{HeaderMap, Message};
use bytes::Bytes;
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::nats::assets::RUNS_STREAM;
use crate::nats::runs::bucket::Entry;
use crate::nats::runs::keys::PREFIX;
use crate::nats::runs::link::Link;
use crate::time::Timestamp;

/// How many subjects one request names; the server answers for at most 1,024.
const SUBJECTS: usize = 500;
/// How many messages one request asks for.
const BATCH: usize = 256;
/// How long one attempt waits for the next message.
const ATTEMPT: Duration = Duration::from_secs(3);
/// How long a server may be away, or a follower behind, before that is an error.
const PATIENCE: Duration = Duration::from_secs(6);
/// How long between two attempts.
const PAUSE: Duration = Duration::from_millis(20);

/// A subject that no key has, for who wants to know of the stream alone.
const NO_KEY: &str = "$KV.none";

/// What stands at several keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Listing {
    /// Those where something stands, in the order of their revisions.
    pub(super) entries: Vec<Entry>,
    /// Every change up to this revision is in it.
    pub(super) revision: u64,
    /// When it was asked for, by the server's clock, where it says so.
    pub(super) now: Option<Timestamp>,
}

/// One message of a stream.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) subject: String,
    pub(super) sequence: u64,
    pub(super) payload: Bytes,
    written: Option<Timestamp>,
}

/// Which keys there are.
struct Keys {
    subjects: Vec<String>,
    last: u64,
    now: Option<Timestamp>,
}

/// An answer of several messages.
struct Batch {
    messages: Vec<Stored>,
    /// How many more there are.
    more: u64,
    /// The last message that the answering server knew of, where it says so.
    known: Option<u64>,
}

impl Link {
    /// What stands at the keys that `filter` names. Whatever was written before this was asked is in it, also in a cluster:
    /// the leader says which keys there are and how far the stream is, and an answer from behind that is asked for again.
    ///
    /// # Errors
    /// `Unavailable` or `Denied`.
    pub(super) async fn list(&self, what: &str, filter: &str) -> Result<Listing> {
        let (filter, begun) = (format!("{PREFIX}{filter}"), Instant::now());
        loop {
            let Keys { subjects, last, now } = self.subjects(what, &filter).await?;
            if let Some(mut entries) = self.last_of(what, &subjects, last).await? {
                entries.sort_by_key(|entry| entry.revision);
                entries.retain(Entry::is_there);
                return Ok(Listing { entries, revision: last, now });
            }
            if begun.elapsed() >= PATIENCE {
                return Err(Error::new(ErrorKind::Unavailable, what)
                    .because("the server that answers is behind the leader of its cluster")
                    .hint("run `cargo xtask infra:nats:health` to see which server is behind")
                    .retryable());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// How many keys there are that `filter` names, with those that are marks only.
    ///
    /// # Errors
    /// `Unavailable` or `Denied`.
    pub(super) async fn count(&self, what: &str, filter: &str) -> Result<usize> {
        Ok(self.subjects(what, &format!("{PREFIX}{filter}")).await?.subjects.len())
    }

    /// The clock of the server that leads the bucket, where it tells its time.
    ///
    /// # Errors
    /// `Unavailable` or `Denied`.
    pub(super) async fn now(&self, what: &str) -> Result<Option<Timestamp>> {
        Ok(self.subjects(what, NO_KEY).await?.now)
    }

    /// The subjects that have messages, and the last message of the stream, as the leader knows them.
    async fn subjects(&self, what: &str, filter: &str) -> Result<Keys> {
        #[derive(Deserialize)]
        struct Info {
            state: State,
            #[serde(default)]
            total: usize,
            #[serde(default)]
            ts: String,
        }
        #[derive(Deserialize)]
        struct State {
            last_seq: u64,
            #[serde(default)]
            subjects: Option<BTreeMap<String, u64>>,
        }
        let (mut found, mut last) = (Vec::new(), None);
        loop {
            let body = json!({ "subjects_filter": filter, "offset": found.len() });
            let told = self.api::<Info>(what, &format!("STREAM.INFO.{RUNS_STREAM}"), &body).await?;
            let info = told.map_err(|refusal| self.refused(what, &refusal))?;
            // Of several pages the first one's: nothing that came later is missed by who goes on from there.
            let last = *last.get_or_insert(info.state.last_seq);
            let page = info.state.subjects.unwrap_or_default();
            let is_last = page.is_empty() || found.len() + page.len() >= info.total;
            found.extend(page.into_keys());
            if is_last {
                return Ok(Keys { subjects: found, last, now: info.ts.parse().ok() });
            }
        }
    }

    /// The last message of each subject; `None` when the server that answered does not know all that the leader does.
    async fn last_of(&self, what: &str, subjects: &[String], last: u64) -> Result<Option<Vec<Entry>>> {
        let mut entries = Vec::with_capacity(subjects.len());
        for subjects in subjects.chunks(SUBJECTS) {
            let (messages, known) = self.newest(what, RUNS_STREAM, subjects).await?;
            // Without any message it says nothing of itself: the keys may have ended, or it may not have them yet.
            if known.is_none_or(|known| known < last) {
                return Ok(None);
            }
            entries.extend(messages.into_iter().map(entry));
        }
        Ok(Some(entries))
    }

    /// The last message of each of these subjects of a stream that has one, the oldest first, as any server knows it that
    /// has a copy: a request for five hundred subjects, however many others there are.
    ///
    /// # Errors
    /// `Unavailable` or `Denied`.
    pub(super) async fn standing(
        &self,
        what: &str,
        stream: &str,
        subjects: &[String],
    ) -> Result<Vec<Stored>> {
        let mut all = Vec::new();
        for subjects in subjects.chunks(SUBJECTS) {
            all.extend(self.newest(what, stream, subjects).await?.0);
        }
        all.sort_by_key(|message| message.sequence);
        Ok(all)
    }

    /// The last message of each of so many subjects as one request names, and up to where every server that answered knew
    /// the stream; `None` when one did not say.
    async fn newest(
        &self,
        what: &str,
        stream: &str,
        subjects: &[String],
    ) -> Result<(Vec<Stored>, Option<u64>)> {
        let (mut wanted, mut all, mut known) = (subjects.to_vec(), Vec::new(), Some(u64::MAX));
        loop {
            let batch = self.batch(what, stream, &json!({ "multi_last": wanted })).await?;
            known = known.zip(batch.known).map(|(before, now)| before.min(now));
            let got: HashSet<&str> = batch.messages.iter().map(|message| message.subject.as_str()).collect();
            wanted.retain(|subject| !got.contains(subject.as_str()));
            let is_whole = batch.more == 0 || got.is_empty() || wanted.is_empty();
            all.extend(batch.messages);
            if is_whole {
                return Ok((all, known));
            }
        }
    }

    /// What was written at the keys that `filter` names after a revision, in its order, each as often as it is kept.
    ///
    /// # Errors
    /// `Unavailable` or `Denied`.
    pub(super) async fn since(&self, what: &str, filter: &str, revision: u64) -> Result<Vec<Entry>> {
        let (filter, mut all, mut after) = (format!("{PREFIX}{filter}"), Vec::new(), revision);
        loop {
            let body = json!({ "seq": after.saturating_add(1), "next_by_subj": filter, "batch": BATCH });
            let Batch { messages, more, .. } = self.batch(what, RUNS_STREAM, &body).await?;
            let Some(last) = messages.last() else { return Ok(all) };
            after = last.sequence;
            all.extend(messages.into_iter().map(entry));
            if more == 0 {
                return Ok(all);
            }
        }
    }

    /// One request that is answered by several messages
    /// (<https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-31.md>).
    async fn batch(&self, what: &str, stream: &str, body: &Value) -> Result<Batch> {
        let begun = Instant::now();
        loop {
            match self.attempt(what, stream, body).await? {
                Some(batch) => return Ok(batch),
                None if begun.elapsed() >= PATIENCE || self.is_deaf() => {
                    return Err(self.silent(what, begun));
                }
                None => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// `None` when the answer did not come, or not to its end.
    async fn attempt(&self, what: &str, stream: &str, body: &Value) -> Result<Option<Batch>> {
        let inbox = self.client.new_inbox();
        let failed = |error: &(dyn std::error::Error + 'static)| {
            Error::new(ErrorKind::Unavailable, what).because(error.to_string()).retryable()
        };
        let mut answers = self.client.subscribe(inbox.clone()).await.map_err(|error| failed(&error))?;
        let subject = self.api_subject(&format!("DIRECT.GET.{stream}"));
        let since = Instant::now();
        let asked = self.client.publish_with_reply(subject.clone(), inbox, body.to_string().into()).await;
        asked.map_err(|error| failed(&error))?;
        let mut messages = Vec::new();
        loop {
            let next = tokio::time::timeout(ATTEMPT, answers.next());
            let message = tokio::select! {
                answer = self.permitted(what, &subject, since, next) => match answer? {
                    Ok(Some(message)) => message,
                    Ok(None) | Err(_) => return Ok(None),
                },
                () = self.reconnected() => return Ok(None),
            };
            let Some(status) = message.status else {
                messages.extend(stored(&message));
                continue;
            };
            return match status.as_u16() {
                204 => {
                    let number = |name| header(&message, name);
                    let known = number("Nats-UpTo-Sequence").or_else(|| number("Nats-Last-Sequence"));
                    Ok(Some(Batch { messages, more: number("Nats-Num-Pending").unwrap_or(0), known }))
                }
                404 => Ok(Some(Batch { messages, more: 0, known: None })),
                503 => Err(self.unheard(what, stream).await),
                _ => Err(Error::new(ErrorKind::Unavailable, what)
                    .because(message.description.unwrap_or_else(|| format!("status {status}")))
                    .hint("run `cargo xtask infra:nats:health` to see what works")),
            };
        }
    }
}

fn entry(message: Stored) -> Entry {
    let key = message.subject.strip_prefix(PREFIX).unwrap_or(&message.subject).to_owned();
    Entry { key, revision: message.sequence, value: message.payload, written: message.written }
}

/// A message as it is kept; `None` for what tells no place.
fn stored(message: &Message) -> Option<Stored> {
    let headers = message.headers.as_ref()?;
    let subject = headers.get("Nats-Subject")?.as_str().to_owned();
    let sequence = header(message, "Nats-Sequence")?;
    let written = headers.get("Nats-Time-Stamp").and_then(|time| time.as_str().parse().ok());
    Some(Stored { subject, sequence, payload: message.payload.clone(), written })
}

fn header(message: &Message, name: &str) -> Option<u64> {
    let headers: &HeaderMap = message.headers.as_ref()?;
    headers.get(name)?.as_str().parse().ok()
}
