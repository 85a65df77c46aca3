//! Reading events from their stream: by subject where a query allows it, and only what its subject may say.

use std::time::Duration;

use futures_util::future::try_join_all;

use crate::error::{Error, ErrorKind, Result};
use crate::events::{Cursor, Event, Page, Query, Start};
use crate::nats::assets::{EVENT_SUBJECTS, EVENTS};
use crate::nats::bus::{NatsBus, filters, subject_of};
use crate::nats::pages::{BATCH, Batch, Begin, Info, Kept};
use crate::time::Timestamp;

const WHAT: &str = "read events";

/// How long a copy that lags behind is asked again, which another one may answer, too.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);

impl NatsBus {
    pub(super) async fn read_from_stream(&self, query: &Query) -> Result<Page> {
        let info = self.nats.stream(WHAT, EVENTS).await?;
        // The number of the last message that was looked at.
        let mut at = match &query.from {
            Start::Oldest => 0,
            Start::Newest => info.last(),
            Start::Since(time) => self.before(*time, &info).await?,
            Start::After(cursor) => number_of(cursor, &info)?,
        };
        let filters = filters(query);
        let (mut events, mut foreign) = (Vec::new(), 0);
        let mut patience = PATIENCE;
        'pages: while events.len() < query.limit {
            let batch = self.piece(&filters, at, query.limit - events.len()).await?;
            let is_all = batch.is_all;
            for kept in batch.messages {
                if events.len() == query.limit {
                    break 'pages;
                }
                at = kept.number;
                match event_of(&kept) {
                    None => foreign += 1,
                    Some(event) if query.matches(&event) => events.push((cursor_of(at, &info), event)),
                    Some(_) => {}
                }
            }
            if !is_all {
                continue;
            }
            if !self.is_behind(&filters, at, &info).await? {
                at = at.max(info.last());
                break;
            }
            patience = patience.checked_sub(PAUSE).ok_or_else(late)?;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(Page { events, next: cursor_of(at, &info), foreign })
    }

    /// The next messages behind `at` of all filters together, as far as each was read.
    async fn piece(&self, filters: &[String], at: u64, most: usize) -> Result<Batch> {
        // What is passed over does not count, so that a few more are asked for than are wanted.
        let most = most.saturating_add(most / 8).min(BATCH);
        let begin = Begin::Number(at.saturating_add(1));
        let reads = filters.iter().map(|filter| self.nats.batch(WHAT, EVENTS, filter, begin, most));
        let batches = try_join_all(reads).await?;
        // Behind the end of a batch that was cut there may be messages that the others are ahead of.
        let cut = |batch: &Batch| batch.messages.last().map(|kept| kept.number).filter(|_| !batch.is_all);
        let horizon = batches.iter().filter_map(cut).min();
        let is_all = batches.iter().all(|batch| batch.is_all);
        let mut messages: Vec<Kept> = batches.into_iter().flat_map(|batch| batch.messages).collect();
        messages.retain(|kept| horizon.is_none_or(|horizon| kept.number <= horizon));
        messages.sort_by_key(|kept| kept.number);
        Ok(Batch { messages, is_all })
    }

    /// Whether the copy that answered has not heard of messages that the leading server has: what was published is read by
    /// who knows of it, in a cluster as well.
    async fn is_behind(&self, filters: &[String], at: u64, info: &Info) -> Result<bool> {
        if !info.has_copies() || at >= info.last() {
            return Ok(false);
        }
        let reads =
            filters.iter().map(|filter| self.nats.first_from(WHAT, EVENTS, filter, at.saturating_add(1)));
        Ok(try_join_all(reads).await?.iter().flatten().any(|kept| kept.number <= info.last()))
    }

    /// The number before that of the first message since then, by the clock of the servers.
    async fn before(&self, time: Timestamp, info: &Info) -> Result<u64> {
        let all = format!("{EVENT_SUBJECTS}.>");
        let found = self.nats.batch(WHAT, EVENTS, &all, Begin::Time(time), 1).await?;
        if let Some(first) = found.messages.first() {
            return Ok(first.number.saturating_sub(1));
        }
        // A copy that lags behind knows of none; the few that it may have missed are looked at from the end.
        let mut number = info.last();
        while number > 0 {
            match self.nats.first_from(WHAT, EVENTS, &all, number).await? {
                Some(kept) if kept.number == number && kept.time >= time => number -= 1,
                _ => break,
            }
        }
        Ok(number)
    }
}

fn late() -> Error {
    Error::new(ErrorKind::Unavailable, WHAT)
        .with("stream", EVENTS)
        .because("the copies of the stream lag behind the server that leads")
        .hint("run `infra:nats:health`, which shows how far")
        .retryable()
}

/// The event of a message, if it is one and says nothing that its subject does not let it say.
fn event_of(kept: &Kept) -> Option<Event> {
    let event: Event = serde_json::from_slice(&kept.payload).ok()?;
    (subject_of(&event).ok()? == kept.subject).then_some(event)
}

fn cursor_of(number: u64, info: &Info) -> Cursor {
    Cursor::new(format!("{}-{number}", born(info)))
}

/// The number in a cursor of this very stream.
fn number_of(cursor: &Cursor, info: &Info) -> Result<u64> {
    let (stream, number) = cursor.as_str().split_once('-').ok_or_else(|| cursor.unknown())?;
    let read = |text: &str| text.parse::<u64>().ok().filter(|number| number.to_string() == text);
    let (Some(stream), Some(number)) = (read(stream), read(number)) else { return Err(cursor.unknown()) };
    let gone = |why: &str| {
        Err(Error::invalid(format!(
            "the place {} is not in this bus any more",
            crate::names::quoted(cursor.as_str())
        ))
        .with("stream", EVENTS)
        .because(why.to_owned())
        .hint("read from the beginning, or since a time"))
    };
    if stream != born(info) {
        return gone("the stream was deleted and made anew since");
    }
    if number > info.last() {
        return gone("the servers lost their newest events, or the stream was restored from a backup");
    }
    Ok(number)
}

/// When the stream was made, in milliseconds since 1970.
fn born(info: &Info) -> u64 {
    let since = info.created.system_time().duration_since(std::time::SystemTime::UNIX_EPOCH);
    since.ok().and_then(|since| u64::try_from(since.as_millis()).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn info(last: u64) -> Info {
        let text = json!({
            "created": "2026-11-20T10:00:00.123456789Z",
            "config": { "allow_direct": true },
            "state": { "last_seq": last },
        });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn a_cursor_is_of_one_stream_and_of_what_it_holds() {
        let cursor = cursor_of(7, &info(9));
        assert_eq!(number_of(&cursor, &info(9)).unwrap(), 7);
        for bad in ["", "7", "a-7", "1-", "-7", "1-07", "1-7-7"] {
            assert!(number_of(&Cursor::new(bad), &info(9)).is_err(), "{bad}");
        }
        let other = number_of(&Cursor::new("1-7"), &info(9)).unwrap_err();
        assert!(other.report().to_string().contains("made anew"), "{}", other.report());
        let lost = number_of(&cursor, &info(3)).unwrap_err();
        assert!(lost.report().to_string().contains("lost"), "{}", lost.report());
    }

    #[test]
    fn only_what_its_subject_may_say_is_an_event() {
        let event = Event::new("/acme/shop".parse().unwrap(), "deploy.done", "staging", json!(1)).unwrap();
        let kept = |subject: &str, payload: String| Kept {
            number: 1,
            subject: subject.into(),
            payload: payload.into(),
            time: Timestamp::now(),
        };
        let json = event.to_json().unwrap();
        let subject = "infra.v1.evt.acme.shop.staging.deploy.done";
        assert_eq!(event_of(&kept(subject, json.clone())), Some(event));
        let forged = "infra.v1.evt.acme.web.staging.deploy.done";
        for (subject, payload) in [
            (forged, json.clone()),
            (subject, "not JSON".into()),
            (subject, "{}".into()),
            (subject, json.replace("\"1.0\"", "\"0.3\"")),
            (subject, "\u{0}".into()),
        ] {
            assert_eq!(event_of(&kept(subject, payload)), None);
        }
    }
}
