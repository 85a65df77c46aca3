//! The ledger in a JetStream stream from which nothing can be removed.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_trait::async_trait;

use crate::error::{Error, ErrorKind, Result};
use crate::ledger::{Entry, Ledger, Record};
use crate::names::OrgName;
use crate::nats::Nats;
use crate::nats::api::Refusal;
use crate::nats::assets::{LEDGER, LEDGER_SUBJECTS};
use crate::nats::pages::{BATCH, Begin, Kept};
use crate::nats::subject::token;
use crate::time::Timestamp;

const APPEND: &str = "add to the ledger";
const READ: &str = "read the ledger";

/// How often somebody else may be first, and the next place is tried.
const ROUNDS: usize = 200;
/// How often an entry is sent of which nobody knows whether it arrived.
const SENDS: usize = 3;
/// The longest pause after somebody else was first, in milliseconds.
const SPREAD: u64 = 40;
/// How far back the newest entry is looked for behind messages that are none, before the ledger is read from its beginning.
const FAR_BACK: u64 = 50;

/// The ledger of an organisation on JetStream, in the stream `INFRA_LEDGER` that `infra:nats:bootstrap` makes; all entries
/// have the subject `infra.v1.ledger.ORG`.
///
/// An entry is taken only where the one that it follows is the newest still, so that of two that append at once the second
/// follows the first. One that is sent again, because no answer came, is known by its hash and not added twice. A message
/// that is no entry is passed over: nothing in the stream can be changed, so it never was one.
///
/// ```no_run
/// # async fn example(nats: infra_sdk::nats::Nats) -> infra_sdk::Result<()> {
/// use infra_sdk::{ledger::verify, nats::NatsLedger};
/// println!("{}", verify(&NatsLedger::new(nats, &"acme".parse()?), None).await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct NatsLedger {
    nats: Nats,
    subject: String,
    /// How many entries were read up to which message: the next page begins there.
    read: Arc<Mutex<(u64, u64)>>,
    /// The numbers of messages that are no entries.
    strangers: Arc<Mutex<BTreeSet<u64>>>,
}

/// What became of an entry that was sent.
enum Sent {
    Kept,
    /// Another entry took its place.
    Late,
    /// No answer came.
    Unknown(Error),
}

impl NatsLedger {
    /// The ledger of `org` in the account that `nats` connects to.
    pub fn new(nats: Nats, org: &OrgName) -> Self {
        let subject = format!("{LEDGER_SUBJECTS}.{}", token(org.as_str()));
        NatsLedger { nats, subject, read: Arc::default(), strangers: Arc::default() }
    }

    fn place_of(&self, number: u64) -> String {
        format!("stream {LEDGER} at {}, sequence {number} of {}", self.nats.target().address(), self.subject)
    }

    /// The entry that a message is.
    fn entry(&self, kept: &Kept) -> Option<Entry> {
        let entry = serde_json::from_slice(&kept.payload).ok();
        if entry.is_none() {
            self.strangers.lock().unwrap_or_else(PoisonError::into_inner).insert(kept.number);
        }
        entry
    }

    /// The number of the newest message, and the newest entry.
    async fn newest(&self) -> Result<(u64, Option<Entry>)> {
        let Some(kept) = self.nats.newest_of(APPEND, LEDGER, &self.subject).await? else {
            return Ok((0, None));
        };
        let number = kept.number;
        if let Some(entry) = self.entry(&kept) {
            return Ok((number, Some(entry)));
        }
        let oldest = number.saturating_sub(FAR_BACK).max(1);
        for back in (oldest..number).rev() {
            let kept = self.nats.at(APPEND, LEDGER, back).await?;
            let Some(kept) = kept.filter(|kept| kept.subject == self.subject) else { continue };
            if let Some(entry) = self.entry(&kept) {
                return Ok((number, Some(entry)));
            }
        }
        let (mut at, mut last) = (0, None);
        loop {
            let (messages, is_all) = self.piece(at, BATCH).await?;
            for kept in &messages {
                at = kept.number;
                last = self.entry(kept).or(last);
            }
            if is_all {
                return Ok((number, last));
            }
        }
    }

    /// Whether this entry is the first one behind a message, however many came after it: a server that was killed has
    /// forgotten under which id it was sent.
    async fn follows(&self, after: u64, entry: &Entry) -> Result<bool> {
        let next = self.nats.first_from(APPEND, LEDGER, &self.subject, after.saturating_add(1)).await?;
        let kept = next.and_then(|kept| serde_json::from_slice::<Entry>(&kept.payload).ok());
        Ok(kept.is_some_and(|kept| kept.hash == entry.hash))
    }

    async fn send(&self, entry: &Entry, json: &str, after: u64) -> Result<Sent> {
        let jetstream = self.nats.jetstream().await?;
        let message = PublishMessage::build()
            .payload(json.to_owned().into())
            .message_id(entry.hash.as_str())
            .header("content-type", "application/json")
            .expected_stream(LEDGER)
            .expected_last_subject_sequence(after);
        let since = Instant::now();
        let denied = format!("publish {}", self.subject);
        let sent = async { jetstream.send_publish(self.subject.clone(), message).await?.await };
        let error = match self.nats.unless_denied(&[&denied], since, sent).await {
            None => return Err(self.nats.denied(APPEND, &denied)),
            // One that is known already is ours: nobody else has its hash.
            Some(Ok(_)) => return Ok(Sent::Kept),
            Some(Err(error)) => error,
        };
        match error.kind() {
            PublishErrorKind::WrongLastSequence => Ok(Sent::Late),
            _ if Refusal::of(&error).is_some_and(|refusal| Refusal::LATE.contains(&refusal.number)) => {
                Ok(Sent::Late)
            }
            PublishErrorKind::StreamNotFound => {
                // No stream and no JetStream look alike to who publishes.
                self.nats.stream(APPEND, LEDGER).await?;
                Err(self.nats.fault(APPEND, since, &error).with("stream", LEDGER))
            }
            PublishErrorKind::TimedOut | PublishErrorKind::BrokenPipe => {
                Ok(Sent::Unknown(self.nats.fault(APPEND, since, &error).with("stream", LEDGER)))
            }
            _ => Err(self.nats.fault(APPEND, since, &error).with("stream", LEDGER)),
        }
    }

    /// The number of the message behind which the entries after the first `skip` lie, and how many still come before them.
    fn known(&self, skip: u64) -> (u64, u64) {
        let (entries, number) = *self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if entries <= skip { (number, skip - entries) } else { (0, skip) }
    }

    fn note(&self, entries: u64, number: u64) {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = (entries, number);
    }

    /// The next messages behind `at`, with whatever the server that leads has and the one that answered has not.
    async fn piece(&self, at: u64, most: usize) -> Result<(Vec<Kept>, bool)> {
        let begin = Begin::Number(at.saturating_add(1));
        let batch = self.nats.batch(READ, LEDGER, &self.subject, begin, most.min(BATCH)).await?;
        if !batch.is_all || batch.messages.len() >= most {
            return Ok((batch.messages, false));
        }
        let mut messages = batch.messages;
        let mut last = messages.last().map_or(at, |kept| kept.number);
        while messages.len() < most {
            let next = self.nats.first_from(READ, LEDGER, &self.subject, last.saturating_add(1)).await?;
            let Some(kept) = next else { return Ok((messages, true)) };
            last = kept.number;
            messages.push(kept);
        }
        Ok((messages, false))
    }
}

#[async_trait]
impl Ledger for NatsLedger {
    async fn append(&self, record: Record) -> Result<Entry> {
        // One of which nobody knows whether it arrived, and the message that it was to follow.
        let mut uncertain: Option<(Entry, u64)> = None;
        for _ in 0..ROUNDS {
            if let Some((sent, after)) = &uncertain
                && self.follows(*after, sent).await?
            {
                return Ok(sent.clone());
            }
            let (after, last) = self.newest().await?;
            let entry = record.clone().follow(last.as_ref(), Timestamp::now());
            let json = serde_json::to_string(&entry)
                .map_err(|error| Error::new(ErrorKind::Bug, "write a ledger entry").because(error))?;
            let mut tries = SENDS;
            loop {
                match self.send(&entry, &json, after).await? {
                    Sent::Kept => return Ok(entry),
                    Sent::Late => break,
                    Sent::Unknown(error) => {
                        uncertain = Some((entry.clone(), after));
                        tries -= 1;
                        if tries == 0 {
                            return Err(
                                error.hint("look with `infra:ledger:show` whether the entry is there")
                            );
                        }
                    }
                }
            }
            tokio::time::sleep(spread()?).await;
        }
        Err(Error::new(ErrorKind::Conflict, "the ledger is written to all the time, so nothing was added")
            .with("stream", LEDGER)
            .hint("try again; if it stays so, run `cargo xtask infra:ledger:verify`")
            .retryable())
    }

    async fn read(&self, skip: u64, limit: usize) -> Result<Vec<Entry>> {
        self.nats.stream(READ, LEDGER).await?;
        let (mut at, mut before) = self.known(skip);
        let (mut entries, mut count): (Vec<Entry>, u64) = (Vec::new(), skip);
        while entries.len() < limit {
            let wanted = usize::try_from(before).unwrap_or(BATCH).saturating_add(limit - entries.len());
            let (messages, is_all) = self.piece(at, wanted).await?;
            for kept in messages {
                at = kept.number;
                match self.entry(&kept) {
                    None => {}
                    Some(_) if before > 0 => before -= 1,
                    Some(entry) => {
                        entries.push(entry);
                        count += 1;
                    }
                }
                if entries.len() == limit {
                    break;
                }
            }
            if is_all {
                break;
            }
        }
        if before == 0 {
            self.note(count, at);
        }
        Ok(entries)
    }

    fn strangers(&self) -> Vec<String> {
        let numbers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.iter().map(|number| self.place_of(*number)).collect()
    }

    fn place(&self, nth: u64) -> String {
        format!("stream {LEDGER} at {}, entry {nth} of {}", self.nats.target().address(), self.subject)
    }
}

/// A pause that differs from that of others who were too late, too.
fn spread() -> Result<Duration> {
    let [byte] = crate::id::random::<1>()?;
    Ok(Duration::from_millis(u64::from(byte) % SPREAD))
}
