//! Telling the other repos something, and hearing what they tell.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Result;
use crate::events::{self, Cursor, Event, Published, Query, Subscription};
use crate::infra::open::Infra;

/// The longest pause before a bus that is down is asked again.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// An event that was published.
#[derive(Clone, Debug, Serialize)]
pub struct Told {
    /// What publishing did.
    pub published: Published,
    /// The event.
    pub event: Event,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Event { kind, source, subject, id, .. } = &self.event;
        let about = subject.as_deref().map(|subject| format!(" about {subject}")).unwrap_or_default();
        let before = match self.published {
            Published::Now => "published",
            Published::Before => "was published before, so nothing was added:",
        };
        write!(
            f,
            "{before} {} of {source}{}: {}",
            kind.escape_debug(),
            about.escape_debug(),
            id.escape_debug()
        )
    }
}

/// An event that is to be published.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Untold(pub Event);

impl fmt::Display for Untold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "would publish {}", line(&self.0))
    }
}

/// An event that was heard, as people read it: one line.
#[derive(Clone, Debug, Serialize)]
pub struct Heard {
    /// Where to read on from.
    pub cursor: Cursor,
    /// The event.
    #[serde(flatten)]
    pub event: Event,
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.event.time {
            Some(time) => write!(f, "{time} {}", line(&self.event)),
            None => write!(f, "- {}", line(&self.event)),
        }
    }
}

fn line(event: &Event) -> String {
    let Event { kind, source, subject, data, .. } = event;
    let subject = subject.as_deref().unwrap_or("-").escape_debug();
    let data = if data.is_null() { String::new() } else { format!(" {data}") };
    // JSON escapes what could break the line, but not what could change its colour.
    let data: String = data.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    format!("{source} {subject} {}{data}", kind.escape_debug())
}

impl Infra {
    /// An event of this repo, about this environment unless its `subject` is set, ready to be
    /// [published](Infra::publish_event).
    ///
    /// ```no_run
    /// # async fn example(infra: infra_sdk::Infra) -> infra_sdk::Result<()> {
    /// #[derive(serde::Serialize)]
    /// struct Opened { door: u8 }
    /// let event = infra.new_event("shop.opened", Opened { door: 2 })?;
    /// println!("{}", infra.publish_event(event).await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `Unavailable` when the system gives no randomness for the id.
    pub fn new_event<T>(&self, kind: &str, data: T) -> Result<Event<T>> {
        Event::new(self.source(), kind, self.environment().as_str(), data)
    }

    /// Publishes an event to everybody who listens in this environment. The data must hold no secret.
    ///
    /// # Errors
    /// What the event bus fails with; publishing the same event again is then safe.
    pub async fn publish_event<T: Serialize>(&self, event: Event<T>) -> Result<Told> {
        let event = event.untyped()?;
        let published = self.ports().events.publish(&event).await?;
        Ok(Told { published, event })
    }

    /// The event as it would be published.
    ///
    /// # Errors
    /// `Invalid` when it is too large; `Bug` when the data does not fit into JSON.
    pub fn would_publish_event<T: Serialize>(&self, event: Event<T>) -> Result<Untold> {
        let event = event.untyped()?;
        event.to_json()?;
        Ok(Untold(event))
    }

    /// Hears the events of this environment until there were `count` of them, or the host is cancelled. Once it has begun, a
    /// bus that is down is a warning, and it goes on where it was as soon as that answers again: nothing is missed.
    ///
    /// # Errors
    /// What the event bus fails with, where that will not pass.
    pub async fn watch_events(
        &self,
        query: Query,
        count: Option<u64>,
        mut hear: impl FnMut(&Heard),
    ) -> Result<()> {
        let cancel = self.host().cancel.clone();
        let mut following = tokio::select! {
            () = cancel.cancelled() => return Ok(()),
            following = self.subscribe::<serde_json::Value>(query) => following?,
        };
        let (mut heard, mut foreign, mut pause) = (0, 0, Duration::from_secs(1));
        while count.is_none_or(|count| heard < count) {
            let next = tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                next = following.next() => next,
            };
            if following.foreign() > foreign {
                foreign = following.foreign();
                self.host()
                    .tell(&format!(
                        "warning: {foreign} messages so far are no events: no JSON of this version, or of a source that their \
                         subject does not allow; they were passed over"
                    ));
            }
            match next {
                Ok((cursor, event)) => {
                    heard += 1;
                    pause = Duration::from_secs(1);
                    hear(&Heard { cursor, event });
                }
                Err(error) if error.is_retryable() => {
                    self.host().tell(&format!("warning: {error}; trying again"));
                    tokio::select! {
                        () = cancel.cancelled() => return Ok(()),
                        () = tokio::time::sleep(pause) => {}
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Follows the events of this environment, with data read into a type of the caller's; see
    /// [`subscribe`](crate::events::subscribe).
    ///
    /// # Errors
    /// What the event bus fails with.
    pub async fn subscribe<T: DeserializeOwned>(&self, query: Query) -> Result<Subscription<T>> {
        events::subscribe(self.ports().events.clone(), query).await
    }
}
