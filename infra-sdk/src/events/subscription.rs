//! Following a bus: the events of a query, one after the other, waiting for the next.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::error::Result;
use crate::events::{Cursor, Event, EventBus, Query, Start};

/// How many events are read at once.
const PAGE: usize = 200;

/// How long a bus is trusted to tell that something came; it is asked again after that.
const TRUST: Duration = Duration::from_secs(5);

/// The events of a query, also those that come later. Made by [`subscribe`].
pub struct Subscription<T> {
    bus: Arc<dyn EventBus>,
    query: Query,
    ready: VecDeque<(Cursor, Event)>,
    foreign: u64,
    data: PhantomData<fn() -> T>,
}

/// Follows a bus from the start of a query on, with data read into a type of the caller's; its limit does not count.
///
/// Events are given as soon as the bus tells that they came: JetStream at once, a file of this machine within half a
/// second. What was published while nobody listened is given, too: a subscription reads, it is not called.
///
/// ```
/// # use infra_sdk::events::{self, Event, Query, Source};
/// # use infra_sdk::local::LocalEvents;
/// # use std::sync::Arc;
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Deployed { version: String }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> infra_sdk::Result<()> {
/// # let folder = std::env::temp_dir().join(format!("infra-sdk-subscribe-{}", std::process::id()));
/// # let bus = Arc::new(LocalEvents::new(folder.join("events.jsonl")));
/// # let source: Source = "/acme/shop-api".parse()?;
/// # events::publish(&*bus, Event::new(source, "deploy.done", "staging", Deployed { version: "1.4.0".into() })?).await?;
/// let query = Query { kind: Some("deploy.done".into()), ..Query::first(0) };
/// let mut deploys = events::subscribe::<Deployed>(bus, query).await?;
/// let (_, event) = deploys.next().await?;
/// assert_eq!(event.data.version, "1.4.0");
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `Invalid` for a cursor that the bus never gave; what the bus fails with otherwise.
pub async fn subscribe<T: DeserializeOwned>(bus: Arc<dyn EventBus>, query: Query) -> Result<Subscription<T>> {
    // What "from now on" means is fixed now, and not when somebody first asks for an event.
    let from = Start::After(bus.read(&Query { limit: 0, ..query.clone() }).await?.next);
    let query = Query { from, limit: PAGE, ..query };
    Ok(Subscription { bus, query, ready: VecDeque::new(), foreign: 0, data: PhantomData })
}

impl<T> Subscription<T> {
    /// How much was passed over that is no event, so far.
    pub fn foreign(&self) -> u64 {
        self.foreign
    }
}

impl<T: DeserializeOwned> Subscription<T> {
    /// The next event, however long it takes, with the place behind it. May be dropped while it waits: nothing is lost.
    ///
    /// # Errors
    /// `Invalid` when the data has another shape than expected: the next call goes on behind that event. What the bus
    /// fails with; where that is [retryable](crate::Error::is_retryable), call again after a while.
    pub async fn next(&mut self) -> Result<(Cursor, Event<T>)> {
        loop {
            if let Some((cursor, event)) = self.ready.pop_front() {
                return Ok((cursor, event.typed()?));
            }
            let page = self.bus.read(&self.query).await?;
            self.query.from = Start::After(page.next);
            self.foreign += page.foreign;
            self.ready.extend(page.events);
            if self.ready.is_empty() {
                self.bus.wait(&self.query, TRUST).await?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use serde_json::json;

    use super::*;
    use crate::error::{Error, ErrorKind};
    use crate::events::{Page, Published};

    /// A bus in memory that fails when it is told to.
    #[derive(Default)]
    struct Kept {
        events: Mutex<Vec<Event>>,
        fails: Mutex<bool>,
    }

    #[async_trait]
    impl EventBus for Kept {
        async fn publish(&self, event: &Event) -> Result<Published> {
            self.events.lock().unwrap().push(event.clone());
            Ok(Published::Now)
        }
        async fn read(&self, query: &Query) -> Result<Page> {
            if std::mem::take(&mut *self.fails.lock().unwrap()) {
                return Err(Error::new(ErrorKind::Unavailable, "read").retryable());
            }
            let events = self.events.lock().unwrap();
            let start = match &query.from {
                Start::Newest => events.len(),
                Start::After(cursor) => cursor.as_str().parse().unwrap(),
                _ => 0,
            };
            let page = events.iter().enumerate().skip(start).take(query.limit);
            let page: Vec<_> =
                page.map(|(at, event)| (Cursor::new((at + 1).to_string()), event.clone())).collect();
            let next = Cursor::new((start + page.len()).to_string());
            Ok(Page { events: page, next, foreign: 1 })
        }
    }

    fn event(data: serde_json::Value) -> Event {
        Event::new("/acme/shop".parse().unwrap(), "x", "local", data).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_later_is_waited_for_and_a_wait_that_is_dropped_loses_nothing() {
        let bus = Arc::new(Kept::default());
        bus.publish(&event(json!(1))).await.unwrap();
        let query = Query { from: Start::Newest, ..Query::first(0) };
        let mut following = subscribe::<u32>(bus.clone(), query).await.unwrap();
        bus.publish(&event(json!(2))).await.unwrap();
        assert_eq!(following.next().await.unwrap().1.data, 2);
        let waited = tokio::time::timeout(Duration::from_secs(60), following.next()).await;
        assert!(waited.is_err());
        bus.publish(&event(json!(3))).await.unwrap();
        assert_eq!(following.next().await.unwrap().1.data, 3);
        assert!(following.foreign() > 1);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_failure_and_after_data_of_another_shape_it_goes_on() {
        let bus = Arc::new(Kept::default());
        let mut following = subscribe::<u32>(bus.clone(), Query::first(0)).await.unwrap();
        bus.publish(&event(json!("text"))).await.unwrap();
        bus.publish(&event(json!(7))).await.unwrap();
        *bus.fails.lock().unwrap() = true;
        assert!(following.next().await.unwrap_err().is_retryable());
        assert_eq!(following.next().await.unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(following.next().await.unwrap().1.data, 7);
    }
}
