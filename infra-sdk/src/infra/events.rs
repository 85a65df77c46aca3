//! Telling the other repos something, and hearing what they tell.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Result;
use crate::events::{self, Event, Published, Query, Subscription};
use crate::infra::open::Infra;

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
        write!(f, "{before} {} of {source}{}: {}", kind.escape_debug(), about.escape_debug(), id.escape_debug())
    }
}

impl Infra {
    /// An event of this repo, about this environment unless its `subject` is set, ready to be
    /// [published](Infra::publish).
    ///
    /// ```no_run
    /// # async fn example(infra: infra_sdk::Infra) -> infra_sdk::Result<()> {
    /// #[derive(serde::Serialize)]
    /// struct Opened { door: u8 }
    /// let event = infra.new_event("shop.opened", Opened { door: 2 })?;
    /// println!("{}", infra.publish(event).await?);
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
    pub async fn publish<T: Serialize>(&self, event: Event<T>) -> Result<Told> {
        let event = event.untyped()?;
        let published = self.ports().events.publish(&event).await?;
        Ok(Told { published, event })
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
