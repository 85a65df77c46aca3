//! The port to whatever carries events.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::events::{Event, Source};
use crate::names::quoted;
use crate::time::Timestamp;

/// How large an event may be as JSON, in bytes: what every bus takes. Servers of NATS take messages of 1 MiB
/// (<https://docs.nats.io/reference/faq#is-there-a-message-size-limitation-in-nats>), with what stands around them.
pub const MOST_BYTES: usize = 1_000_000;

/// How long a bus that cannot tell when something comes lets pass before it is asked again.
const PAUSE: Duration = Duration::from_millis(500);

/// Carries events from those who publish to those who read, in one order for all.
///
/// # Contract
/// - An event that was published is read whole, as it was given, with attributes this crate does not know. How long it is
///   kept is the bus's: a file of this machine keeps it for ever, JetStream for 30 days.
/// - Publishing is idempotent by source and id, for as long as the first event is kept: that one stays, and a second one is
///   [`Published::Before`] and is not carried, whatever its data says.
/// - The same id from two sources is two events.
/// - An event of more than [`MOST_BYTES`] is an `Invalid` error, and is not carried.
/// - Every reader sees events in the same order, and one publisher's in the order it published them.
/// - A read gives at most `limit` events from its start on, and the place to read on from. Reading on from there misses
///   nothing that is kept and repeats nothing, also when some were filtered out.
/// - A read never waits for events to come: none are an empty page.
/// - A query with a source or a type gives only events of exactly that source, and of that type or below it
///   (`deploy` also means `deploy.done`, not `deployment`).
/// - What lies in the bus and is no event is never given as one: text that is none, another version of CloudEvents, an
///   event in the name of a source that who wrote it may not speak for. Where others can write, it is passed over and
///   counted; in a file that only this crate writes it is damage, and an `Invalid` error that names its place.
/// - A cursor that this bus never gave is an `Invalid` error.
#[async_trait]
pub trait EventBus: Send + Sync {
    /// Hands over one event; returns once it is kept.
    ///
    /// # Errors
    /// `Invalid` for one that is too large; `NotFound` when what keeps events is not there; `Unavailable`, `Denied` or
    /// `Io` when it could not be kept, or nobody knows: publishing again is then safe.
    async fn publish(&self, event: &Event) -> Result<Published>;

    /// The next events that match, each with the cursor to read on from.
    ///
    /// # Errors
    /// `Invalid` for a wrong cursor or a damaged event; `NotFound`, `Unavailable`, `Denied` or `Io` otherwise.
    async fn read(&self, query: &Query) -> Result<Page>;

    /// Returns when there may be more to read for a query, and after `at_most` in any case. It is a hint, which may come
    /// early; a bus that cannot tell lets a moment pass, half a second.
    ///
    /// # Errors
    /// As [`read`](EventBus::read).
    async fn wait(&self, query: &Query, at_most: Duration) -> Result<()> {
        let _ = query;
        tokio::time::sleep(at_most.min(PAUSE)).await;
        Ok(())
    }
}

/// Publishes an event with data of a type of the caller's.
///
/// ```
/// # use infra_sdk::events::{self, Event, Published, Source};
/// # use infra_sdk::local::LocalEvents;
/// # #[derive(serde::Serialize)]
/// struct Deployed { version: String }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> infra_sdk::Result<()> {
/// # let folder = std::env::temp_dir().join(format!("infra-sdk-publish-{}", std::process::id()));
/// # let bus = LocalEvents::new(folder.join("events.jsonl"));
/// let source: Source = "/acme/shop-api".parse()?;
/// let event = Event::new(source, "shop.opened", "staging", Deployed { version: "1.4.0".into() })?;
/// assert_eq!(events::publish(&bus, event).await?, Published::Now);
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `Bug` when the data does not fit into JSON; what the bus fails with otherwise.
pub async fn publish<T: Serialize>(bus: &dyn EventBus, event: Event<T>) -> Result<Published> {
    bus.publish(&event.untyped()?).await
}

/// What publishing did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Published {
    /// The event was kept now.
    Now,
    /// An event with this source and id was kept before.
    Before,
}

/// Which events to read.
#[derive(Clone, Debug)]
pub struct Query {
    /// Where to start.
    pub from: Start,
    /// Only events of this source.
    pub source: Option<Source>,
    /// Only events of this type or below it.
    pub kind: Option<String>,
    /// At most this many.
    pub limit: usize,
}

/// Where reading starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the oldest event that is kept.
    Oldest,
    /// Behind the newest: only what comes from now on.
    Newest,
    /// At the first event since then, by the clock of the bus, or of who published where the bus has none.
    Since(Timestamp),
    /// After this place.
    After(Cursor),
}

impl Query {
    /// The oldest `limit` events of all.
    pub fn first(limit: usize) -> Self {
        Query { from: Start::Oldest, source: None, kind: None, limit }
    }

    /// Whether an event is asked for, wherever it lies.
    pub fn matches(&self, event: &Event) -> bool {
        let below = |kind: &String| {
            event
                .kind
                .strip_prefix(kind.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.source.as_ref().is_none_or(|source| *source == event.source)
            && self.kind.as_ref().is_none_or(below)
    }
}

/// Some events in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The events, each with the place behind it.
    pub events: Vec<(Cursor, Event)>,
    /// Where to read on, also when nothing matched.
    pub next: Cursor,
    /// How much was passed over that is no event.
    pub foreign: u64,
}

/// A place in a bus; only the bus that gave it can read it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(String);

impl Cursor {
    /// For providers, and for a place that was noted earlier.
    pub fn new(text: impl Into<String>) -> Self {
        Cursor(text.into())
    }

    /// The place as text, to be noted.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The error for a place that a bus never gave; for providers.
    pub(crate) fn unknown(&self) -> Error {
        Error::invalid(format!("{} is not a place in this bus", quoted(&self.0)))
            .hint("read from the beginning, or from a cursor this bus gave")
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Event {
    /// The event as every bus keeps it; for providers.
    ///
    /// # Errors
    /// `Invalid` when it has more than [`MOST_BYTES`].
    pub fn to_json(&self) -> Result<String> {
        let json = serde_json::to_string(self).map_err(|error| {
            Error::new(ErrorKind::Bug, "write an event").with("type", &self.kind).because(error)
        })?;
        if json.len() <= MOST_BYTES {
            return Ok(json);
        }
        Err(Error::invalid("an event is too large")
            .with("type", quoted(&self.kind))
            .with("bytes", json.len())
            .with("at most", MOST_BYTES)
            .hint("put the data where readers can fetch it, and its address into the event"))
    }
}
