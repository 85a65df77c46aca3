//! The port to whatever carries events.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::events::{Event, Source};

/// Carries events from those who publish to those who read, in one order for all.
///
/// # Contract
/// - An event that was published is read whole, as it was given, with attributes this crate does not know.
/// - Publishing is idempotent by source and id: the first event stays, a second one is
///   [`Published::Before`] and is not carried, whatever its data says.
/// - The same id from two sources is two events.
/// - Every reader sees events in the same order, and one publisher's in the order it published them.
/// - A read gives at most `limit` events after the cursor; without a cursor it starts at the oldest.
///   Reading on from the last cursor given misses nothing and repeats nothing, also when some were filtered out.
/// - A read never waits for events to come: none are an empty list.
/// - A query with a source or a type gives only events of exactly that source, and of that type or below it
///   (`deploy` also means `deploy.done`, not `deployment`).
/// - A cursor that this bus never gave is an `Invalid` error.
#[async_trait]
pub trait EventBus: Send + Sync {
    /// Hands over one event; returns once it is kept.
    ///
    /// # Errors
    /// `Unavailable`, `Denied` or `Io` when it could not be kept; publishing again is then safe.
    async fn publish(&self, event: &Event) -> Result<Published>;

    /// The next events that match, each with the cursor to read on from.
    ///
    /// # Errors
    /// `Invalid` for a wrong cursor or a damaged event; `Unavailable`, `Denied` or `Io` otherwise.
    async fn read(&self, query: &Query) -> Result<Vec<(Cursor, Event)>>;
}

/// What publishing did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// The event was kept now.
    Now,
    /// An event with this source and id was kept before.
    Before,
}

/// Which events to read.
#[derive(Clone, Debug)]
pub struct Query {
    /// Start after this place; `None` starts at the oldest.
    pub after: Option<Cursor>,
    /// Only events of this source.
    pub source: Option<Source>,
    /// Only events of this type or below it.
    pub kind: Option<String>,
    /// At most this many.
    pub limit: usize,
}

impl Query {
    /// The oldest `limit` events of all.
    pub fn first(limit: usize) -> Self {
        Query { after: None, source: None, kind: None, limit }
    }

    /// Whether an event is asked for.
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
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
