//! Offers as messages of a work queue: one consumer a repo and environment, made when it is first needed.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::Message;
use async_nats::client::{Request, RequestErrorKind};
use async_nats::header::{NATS_EXPECTED_STREAM, NATS_MESSAGE_ID};
use async_nats::jetstream::publish::PublishAck;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::names::{EnvName, RepoName};
use crate::nats::assets::WORK;
use crate::nats::runs::NatsRuns;
use crate::nats::runs::link::{Link, parse};
use crate::nats::runs::wake::Wake;
use crate::runs::{Offer, Offered, Taken};

/// How many offers one look reads: those of others are among them.
const LOOK: usize = 32;
/// Up to how many repos each one's offers are listened to alone; above, it is those of the whole environment.
const ALONE: usize = 16;
/// How long one attempt to get an offer waits.
const ATTEMPT: Duration = Duration::from_secs(2);
/// After how long a consumer that nobody asks is forgotten; what it would give stays.
const IDLE: Duration = Duration::from_secs(300);
/// How many offers for one repo may be given and not settled: of runs that ended half way.
const GIVEN: u32 = 16;

const OFFER: &str = "offer a repo to its agents";
const TAKE: &str = "take an offer";
const SETTLE: &str = "settle an offer";

impl NatsRuns {
    pub(super) async fn queue(&self, offer: &Offer) -> Result<Offered> {
        let link = self.link().await?;
        let body = serde_json::to_vec(offer)
            .map_err(|error| Error::new(ErrorKind::Bug, "write an offer").because(error))?;
        let mut headers = HeaderMap::new();
        headers.insert(NATS_MESSAGE_ID, self.keys().offer(&offer.run, &offer.repo, offer.attempt));
        headers.insert(NATS_EXPECTED_STREAM, WORK);
        let subject = self.keys().work(&offer.env, &offer.repo);
        let Some(answer) = link.ask(OFFER, &subject, Some(headers), body.into()).await? else {
            return Err(link.unheard(OFFER, WORK).await);
        };
        let ack: PublishAck = parse(OFFER, &answer)?.map_err(|refusal| link.refused(OFFER, &refusal))?;
        Ok(if ack.duplicate { Offered::Before } else { Offered::Now })
    }

    pub(super) async fn dequeue(
        &self,
        env: &EnvName,
        repos: &[RepoName],
        wait: Duration,
    ) -> Result<Option<Taken>> {
        let wanted: HashMap<String, &RepoName> =
            repos.iter().map(|repo| (self.keys().work(env, repo), repo)).collect();
        if wanted.is_empty() {
            tokio::time::sleep(wait).await;
            return Ok(None);
        }
        let link = self.link().await?;
        let all = self.keys().work_in(env);
        let filter = wanted.keys().next().filter(|_| wanted.len() == 1).unwrap_or(&all);
        let listened: Vec<String> =
            if wanted.len() <= ALONE { wanted.keys().cloned().collect() } else { vec![all.clone()] };
        let mut wake = Wake::on(&link, &listened, wait).await?;
        loop {
            if let Some(taken) = self.first(&link, env, filter, &wanted).await? {
                return Ok(Some(taken));
            }
            if !wake.next().await {
                return Ok(None);
            }
        }
    }

    /// The oldest offer for one of the repos that this process gets.
    async fn first(
        &self,
        link: &Link,
        env: &EnvName,
        filter: &str,
        wanted: &HashMap<String, &RepoName>,
    ) -> Result<Option<Taken>> {
        let (mut after, mut tried) = (0, HashSet::new());
        loop {
            let (offers, more) = link.next(TAKE, WORK, filter, after, LOOK).await?;
            let Some(last) = offers.last() else { return Ok(None) };
            after = last.sequence;
            for offer in offers {
                let Some(repo) = wanted.get(&offer.subject) else { continue };
                if tried.insert(*repo)
                    && let Some(taken) = self.pull(link, env, repo).await?
                {
                    return Ok(Some(taken));
                }
            }
            if !more {
                return Ok(None);
            }
        }
    }

    /// The next offer for one repo, if none else has it.
    async fn pull(&self, link: &Link, env: &EnvName, repo: &RepoName) -> Result<Option<Taken>> {
        let (consumer, filter) = (self.keys().consumer(env, repo), self.keys().work(env, repo));
        let mut made = false;
        loop {
            let message = match link.pulled(&consumer).await? {
                Pulled::Message(message) => message,
                Pulled::Nobody if !made => {
                    self.make(link, &consumer, &filter).await?;
                    made = true;
                    continue;
                }
                Pulled::Nothing | Pulled::Nobody => return Ok(None),
            };
            let Some(token) = message.reply.map(|reply| reply.to_string()) else { return Ok(None) };
            match serde_json::from_slice(&message.payload) {
                Ok(offer) => return Ok(Some(Taken { offer, token })),
                // What is no offer wakes nobody up, and must not hide the offer behind it.
                Err(_) => link.ask(TAKE, &token, None, Bytes::from_static(b"+TERM")).await.map(drop)?,
            }
        }
    }

    /// Makes the consumer of one repo; the same again changes nothing.
    async fn make(&self, link: &Link, name: &str, filter: &str) -> Result<()> {
        let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let body = json!({
            "stream_name": WORK,
            "config": {
                "durable_name": name,
                "name": name,
                "filter_subject": filter,
                "deliver_policy": "all",
                "ack_policy": "explicit",
                "ack_wait": nanoseconds(self.given_again()),
                "max_ack_pending": GIVEN,
                "max_deliver": -1,
                "replay_policy": "instant",
                "inactive_threshold": nanoseconds(IDLE.max(self.given_again() * 2)),
            },
        });
        let verb = format!("CONSUMER.CREATE.{WORK}.{name}.{filter}");
        let told = link.api::<Value>(TAKE, &verb, &body).await?;
        told.map(drop).map_err(|refusal| link.refused(TAKE, &refusal))
    }

    pub(super) async fn acknowledge(&self, taken: &Taken) -> Result<()> {
        // Nobody listens when the consumer was forgotten or the stream deleted: then there is nothing to settle.
        let acknowledged = Bytes::from_static(b"+ACK");
        self.link().await?.ask(SETTLE, &taken.token, None, acknowledged).await.map(drop)
    }
}

/// What came of asking a consumer.
enum Pulled {
    Message(Message),
    /// It has none now.
    Nothing,
    /// There is no such consumer.
    Nobody,
}

impl Link {
    /// Asks once: an answer that nobody waits for is an offer that nobody has for a while.
    async fn pulled(&self, consumer: &str) -> Result<Pulled> {
        let subject = self.api_subject(&format!("CONSUMER.MSG.NEXT.{WORK}.{consumer}"));
        let body = json!({ "batch": 1, "no_wait": true }).to_string();
        // An inbox of its own: what a consumer gives keeps its subject, by which no answer is known.
        let request =
            Request::new().payload(body.into()).inbox(self.client.new_inbox()).timeout(Some(ATTEMPT));
        let begun = Instant::now();
        let answer = tokio::select! {
            answer = self.client.send_request(subject, request) => answer,
            () = self.reconnected() => return Ok(Pulled::Nothing),
        };
        match answer {
            Ok(message) if message.status.is_some() => Ok(Pulled::Nothing),
            Ok(message) => Ok(Pulled::Message(message)),
            Err(error) if error.kind() == RequestErrorKind::NoResponders => Ok(Pulled::Nobody),
            Err(error) => Err(self.fault(TAKE, begun, &error)),
        }
    }
}
