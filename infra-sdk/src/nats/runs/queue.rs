//! Offers as messages of a work queue: one consumer a repo and environment, made when it is first needed.

use std::collections::HashMap;
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
use crate::names::{EnvName, RepoName, is_task};
use crate::nats::assets::WORK;
use crate::nats::runs::NatsRuns;
use crate::nats::runs::link::Link;
use crate::nats::runs::wake::Wake;
use crate::runs::{Offer, Offered, Taken};

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
        headers.insert(NATS_MESSAGE_ID, self.keys().offer(offer));
        headers.insert(NATS_EXPECTED_STREAM, WORK);
        let subject = self.keys().work(&offer.env, &offer.repo);
        let answer = link.answered::<PublishAck>(OFFER, &subject, Some(headers), body.into()).await?;
        let Some(told) = answer else { return Err(link.unheard(OFFER, WORK).await) };
        let ack = told.map_err(|refusal| link.refused(OFFER, &refusal))?;
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
        let subjects: Vec<String> = wanted.keys().cloned().collect();
        let mut wake = match subjects.len() <= ALONE {
            true => Wake::on(&link, &subjects, wait).await?,
            false => Wake::on(&link, &[self.keys().work_in(env)], wait).await?,
        };
        loop {
            if let Some(taken) = self.first(&link, env, &subjects, &wanted).await? {
                return Ok(Some(taken));
            }
            if !wake.next().await {
                return Ok(None);
            }
        }
    }

    /// The oldest offer for one of the repos that this process gets. Only where something stands a consumer is asked.
    async fn first(
        &self,
        link: &Link,
        env: &EnvName,
        subjects: &[String],
        wanted: &HashMap<String, &RepoName>,
    ) -> Result<Option<Taken>> {
        for stands in link.standing(TAKE, WORK, subjects).await? {
            if let Some(repo) = wanted.get(&stands.subject)
                && let Some(taken) = self.pull(link, env, repo).await?
            {
                return Ok(Some(taken));
            }
        }
        Ok(None)
    }

    /// The next offer for one repo, if none else has it.
    async fn pull(&self, link: &Link, env: &EnvName, repo: &RepoName) -> Result<Option<Taken>> {
        let (consumer, filter) = (self.keys().consumer(env, repo), self.keys().work(env, repo));
        // Whoever asks a consumer that is not there is told so, except behind a leaf: there nobody answers.
        let mut made = link.is_elsewhere();
        if made {
            self.make(link, &consumer, &filter).await?;
        }
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
            match serde_json::from_slice::<Offer>(&message.payload) {
                Ok(offer) if offer.env == *env && offer.repo == *repo && is_task(&offer.task) => {
                    return Ok(Some(Taken { offer, token }));
                }
                // What is no offer for this repo wakes nobody up, and must not hide the offer behind it.
                _ => link.ask(TAKE, &token, None, Bytes::from_static(b"+TERM")).await.map(drop)?,
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
        let (subject, begun) =
            (self.api_subject(&format!("CONSUMER.MSG.NEXT.{WORK}.{consumer}")), Instant::now());
        let body = json!({ "batch": 1, "no_wait": true }).to_string();
        // An inbox of its own: what a consumer gives keeps its subject, by which no answer is known.
        let request =
            Request::new().payload(body.into()).inbox(self.client.new_inbox()).timeout(Some(ATTEMPT));
        let sent = self.client.send_request(subject.clone(), request);
        let answer = tokio::select! {
            answer = self.permitted(TAKE, &subject, begun, sent) => answer?,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_an_option_or_a_path_is_no_task() {
        for good in ["deploy", "infra:apply", "shop_web-2", "2"] {
            assert!(is_task(good), "{good}");
        }
        for bad in ["", "-h", "--help", ":x", "a b", "a/b", "Deploy", "a\n", "ü", &"a".repeat(101)] {
            assert!(!is_task(bad), "{bad:?}");
        }
    }
}
