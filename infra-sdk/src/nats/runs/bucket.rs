//! Keys of the bucket: read from the leader, and written only over the revision that was seen.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::header::{
    NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_EXPECTED_STREAM, NATS_MESSAGE_ID, NATS_MESSAGE_TTL,
};
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::publish::PublishAck;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::error::{Error, ErrorKind, Result};
use crate::names::quoted;
use crate::nats::assets::RUNS_STREAM;
use crate::nats::runs::keys::PREFIX;
use crate::nats::runs::link::{Link, parse, passes};
use crate::time::Timestamp;

/// The code of a write whose predecessor is still being written.
const IN_FLIGHT: ErrorCode = ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT;
/// How often a write is tried whose revision is right and that is refused nevertheless.
const TRIES: usize = 20;
/// How long between two of them.
const PAUSE: Duration = Duration::from_millis(20);
/// How long the mark of a key that was erased stays.
const MARK: Duration = Duration::from_secs(60);

/// What stands at a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    /// The place among all changes of the bucket.
    pub(super) revision: u64,
    /// Empty when the key was erased or ended by itself: what we write never is.
    pub(super) value: Bytes,
    /// When, by the server's clock, where it says so.
    pub(super) written: Option<Timestamp>,
}

impl Entry {
    /// Whether something stands there, and not the mark of what is gone.
    pub(super) fn is_there(&self) -> bool {
        !self.value.is_empty()
    }

    /// Whether the value is JSON, as that of every version of this crate is.
    pub(super) fn is_json(&self) -> bool {
        serde_json::from_slice::<serde::de::IgnoredAny>(&self.value).is_ok()
    }

    /// The value.
    ///
    /// # Errors
    /// `Invalid` for what is not of this kind, with its place.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.value).map_err(|error| self.unreadable(error))
    }

    fn unreadable(&self, error: serde_json::Error) -> Error {
        let key = &self.key;
        let told = format!("the key {} of the bucket `infra-runs` cannot be read", quoted(key));
        let told = Error::invalid(told)
            .with("revision", self.revision)
            .because(error)
            .hint("update infra-sdk, if another version wrote it");
        // What is not even JSON counts as a repo that failed, and a lease that is gone is free.
        match key.split('.').nth(1) {
            Some("run") if key.contains(".repo.") => told.hint(format!(
                "if nothing of ours wrote it, give the repo up with `nats kv put infra-runs {key} failed`, then resume \
                 the run"
            )),
            Some("lease") => told.hint(format!(
                "if nothing of ours wrote it, take it away with `nats kv del infra-runs {key}`"
            )),
            _ => told,
        }
    }
}

/// A message as the stream has it.
#[derive(Deserialize)]
struct Stored {
    seq: u64,
    #[serde(default)]
    data: String,
    #[serde(default)]
    hdrs: String,
    #[serde(default)]
    time: String,
}

impl Stored {
    /// Whether it was sent under this id, which nothing else has.
    fn has(&self, id: &str) -> bool {
        let headers = STANDARD.decode(&self.hdrs).unwrap_or_default();
        headers.windows(id.len()).any(|part| part == id.as_bytes())
    }
}

/// What writing did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrote {
    /// It stands there, at this revision.
    At(u64),
    /// Nothing: the key has another revision than the one that was seen.
    Outdated,
}

/// What stands at a key from now on.
#[derive(Clone, Debug)]
pub(super) struct Write<'a> {
    key: &'a str,
    value: Bytes,
    seen: u64,
    ends: Option<Duration>,
    erases: bool,
}

impl<'a> Write<'a> {
    /// A value for a key that has the revision `seen`; 0 when it never was there.
    ///
    /// # Errors
    /// `Bug` for what cannot be written as JSON.
    pub(super) fn new(key: &'a str, value: &impl Serialize, seen: u64) -> Result<Self> {
        let value = serde_json::to_vec(value).map_err(|error| {
            Error::new(ErrorKind::Bug, "write a key of the bucket `infra-runs`").because(error)
        })?;
        Ok(Write { key, value: value.into(), seen, ends: None, erases: false })
    }

    /// Nothing, for a key that has the revision `seen`.
    pub(super) fn erase(key: &'a str, seen: u64) -> Self {
        Write { key, value: Bytes::new(), seen, ends: Some(MARK), erases: true }
    }

    /// The key ends by itself unless it is written again within that time, which is rounded up to seconds.
    ///
    /// A value that is written without this over one with it has no end at all, so every renewal says it again.
    pub(super) fn ending(self, length: Duration) -> Self {
        Write { ends: Some(length), ..self }
    }

    fn headers(&self, id: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        // Sent again with the same id, a write that was heard is not written twice, and its answer is the first one's.
        headers.insert(NATS_MESSAGE_ID, id);
        headers.insert(NATS_EXPECTED_STREAM, RUNS_STREAM);
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, self.seen.to_string());
        if let Some(length) = self.ends {
            let seconds = length.as_millis().div_ceil(1000).max(1);
            headers.insert(NATS_MESSAGE_TTL, format!("{seconds}s"));
        }
        if self.erases {
            headers.insert("KV-Operation", "DEL");
        }
        headers
    }
}

impl Link {
    /// What stands at a key, as the leader knows it: followers may be behind.
    ///
    /// # Errors
    /// `Unavailable` or `Denied`.
    pub(super) async fn get(&self, what: &str, key: &str) -> Result<Option<Entry>> {
        let Some(message) = self.stored(what, key).await? else { return Ok(None) };
        let value = STANDARD.decode(&message.data).map_err(|error| {
            Error::invalid(format!("{what}: read the key {}", quoted(key))).because(error)
        })?;
        let written = message.time.parse().ok();
        Ok(Some(Entry { key: key.to_owned(), revision: message.seq, value: value.into(), written }))
    }

    async fn stored(&self, what: &str, key: &str) -> Result<Option<Stored>> {
        #[derive(Deserialize)]
        struct Answer {
            message: Stored,
        }
        let body = json!({ "last_by_subj": format!("{PREFIX}{key}") });
        match self.api::<Answer>(what, &format!("STREAM.MSG.GET.{RUNS_STREAM}"), &body).await? {
            Ok(Answer { message }) => Ok(Some(message)),
            Err(refusal) if refusal.error_code() == ErrorCode::NO_MESSAGE_FOUND => Ok(None),
            Err(refusal) => Err(self.refused(what, &refusal)),
        }
    }

    /// Whose write made another one outdated: a server that was killed may know what was written and not its id, and then
    /// takes a write that is sent again for the rival of itself.
    async fn outdated(&self, what: &str, key: &str, id: &str) -> Result<Wrote> {
        Ok(match self.stored(what, key).await? {
            Some(message) if message.has(id) => Wrote::At(message.seq),
            _ => Wrote::Outdated,
        })
    }

    /// Writes, if the key still has the revision that was seen.
    ///
    /// # Errors
    /// `Invalid` for a value that is too large for the server; `Unavailable` or `Denied`, after which it may or may not have
    /// been written.
    pub(super) async fn write(&self, what: &str, write: Write<'_>) -> Result<Wrote> {
        let most = self.client.max_payload();
        if most > 0 && write.value.len() + 1024 > most {
            return Err(Error::invalid(format!("{what}: it is too large for NATS"))
                .with("size", write.value.len())
                .with("most", most)
                .hint("start several smaller runs, or raise `max_payload` of nats-server"));
        }
        let subject = self.store_subject(&format!("{PREFIX}{}", write.key));
        let id = crate::id::unique()?;
        let headers = write.headers(&id);
        let mut tries = TRIES;
        loop {
            let answer = self.ask(what, &subject, Some(headers.clone()), write.value.clone()).await?;
            let Some(message) = answer else { return Err(self.unheard(what, RUNS_STREAM).await) };
            let refusal = match parse::<PublishAck>(what, &message)? {
                Ok(ack) => return Ok(Wrote::At(ack.sequence)),
                Err(refusal) => refusal,
            };
            tries -= 1;
            match refusal.error_code() {
                ErrorCode::STREAM_WRONG_LAST_SEQUENCE => return self.outdated(what, write.key, &id).await,
                // The one before may fail yet; if not, the revision is another one now.
                IN_FLIGHT if tries == 0 => return self.outdated(what, write.key, &id).await,
                IN_FLIGHT => {}
                _ if passes(&refusal) && tries > 0 => {}
                _ => return Err(self.refused(what, &refusal)),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(write: &Write<'_>, name: &str) -> Option<String> {
        write.headers("an-id").get(name).map(|value| value.as_str().to_owned())
    }

    #[test]
    fn a_write_names_what_it_saw_and_when_it_ends() {
        let write = Write::new("a.b", &1, 7).unwrap();
        assert_eq!(header(&write, "Nats-Expected-Last-Subject-Sequence").unwrap(), "7");
        assert_eq!(header(&write, "Nats-TTL"), None);
        for (length, written) in [(0, "1s"), (900, "1s"), (1000, "1s"), (1001, "2s"), (15_000, "15s")] {
            let ending = write.clone().ending(Duration::from_millis(length));
            assert_eq!(header(&ending, "Nats-TTL").unwrap(), written);
        }
        assert_eq!(header(&Write::erase("a.b", 7), "KV-Operation").unwrap(), "DEL");
        assert_eq!(header(&write, "Nats-Msg-Id").unwrap(), "an-id");
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_place() {
        let entry = Entry { key: "acme.run.x.phase".into(), revision: 7, value: "{".into(), written: None };
        let error = entry.read::<u32>().unwrap_err();
        assert!(error.to_string().contains("acme.run.x.phase") && error.to_string().contains("7"), "{error}");
        assert!(!Entry { value: Bytes::new(), ..entry }.is_there());
    }

    #[test]
    fn a_write_is_known_by_the_id_it_was_sent_under() {
        let hdrs = STANDARD.encode("NATS/1.0\r\nNats-Msg-Id: one\r\n\r\n");
        let of = |hdrs| Stored { seq: 7, data: String::new(), hdrs, time: String::new() };
        let stored = of(hdrs);
        assert!(stored.has("one") && !stored.has("two"));
        assert!(!of("%".into()).has("one"));
    }
}
