//! What the others learn of a deploy while it goes on: start, steps, that it lives, and its end.
//!
//! Events are news and the ledger is the record: a bus that is down or slow neither stops a deploy nor holds it up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::cancel::CancelToken;
use crate::deploy::{Progress, ReleaseId};
use crate::env::{INFRA_ATTEMPT, INFRA_RUN};
use crate::error::{Error, ErrorKind, Result};
use crate::events::{Event, EventBus, vocabulary};
use crate::infra::open::Infra;
use crate::ledger;
use crate::retry::Retry;

/// How long a deploy may be at one step before the others are told that it still is.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// How long the end of a deploy is held up by a bus that does not answer: much less than an agent's lease lasts without it.
const PATIENCE: Duration = Duration::from_secs(4);

/// A deploy that tells of itself. One that is dropped ends with what it told so far.
pub(super) struct Course {
    infra: Infra,
    about: BTreeMap<String, Value>,
    news: UnboundedSender<Event>,
    carrier: JoinHandle<Carried>,
}

/// What became of the events of a deploy.
#[derive(Default)]
struct Carried {
    lost: u64,
    why: Option<Error>,
}

impl Infra {
    /// Tells the others of something that is done and stands in the ledger; that they cannot be told is a warning.
    pub(super) async fn announce<T: Serialize>(&self, kind: &str, data: T) {
        if let Err(error) = self.tell_others(kind, data).await {
            self.warn_untold(1, &error);
        }
    }

    /// Begins to tell of a deploy; `about` stands in each of its events.
    pub(super) fn course(&self, details: &[(&'static str, String)]) -> Course {
        let mut about: BTreeMap<String, Value> = details
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(self.host().masks.apply(value))))
            .collect();
        about.insert("actor".into(), json!(ledger::actor(self.env())));
        for (name, variable) in [("run", INFRA_RUN), ("attempt", INFRA_ATTEMPT)] {
            about.extend(self.env().get(variable).map(|value| (name.to_owned(), json!(value))));
        }
        let (news, arriving) = unbounded_channel();
        let (infra, beat) = (self.clone(), about.clone());
        let heartbeat = move |at: &str| {
            let mut data = beat.clone();
            data.insert("text".into(), json!(at));
            infra.new_event(vocabulary::DEPLOY_HEARTBEAT, data)?.untyped()
        };
        let carrier = tokio::spawn(carry(self.ports().events.clone(), arriving, heartbeat));
        let course = Course { infra: self.clone(), about, news, carrier };
        course.tell(vocabulary::DEPLOY_START, BTreeMap::new());
        course
    }

    fn warn_untold(&self, count: u64, error: &Error) {
        let events = if count == 1 { "an event".to_owned() } else { format!("{count} events") };
        self.host().tell(&format!(
            "warning: {events} could not be published: {}; what was done stands in the ledger",
            error.line()
        ));
    }
}

impl Course {
    /// Tells of a step.
    pub(super) fn step(&self, step: &Progress) {
        let text = self.infra.host().masks.apply(&step.to_string()).into_owned();
        let mut data = BTreeMap::from([("text".to_owned(), json!(text))]);
        let name = serde_json::to_value(step).ok().and_then(|mut step| Some(step.get_mut("step")?.take()));
        data.extend(name.map(|name| ("step".to_owned(), name)));
        self.tell(vocabulary::DEPLOY_STEP, data);
    }

    /// Tells that the release before serves again; the end is yet to be told.
    pub(super) fn went_back(&self, release: &ReleaseId) {
        self.tell(
            vocabulary::DEPLOY_ROLLED_BACK,
            BTreeMap::from([("release".to_owned(), json!(release.as_str()))]),
        );
    }

    /// Tells of the end, and waits until it is told or cannot be.
    pub(super) async fn end(self, kind: &str, details: &[(&'static str, String)]) {
        let masks = &self.infra.host().masks;
        let data = details.iter().map(|(name, value)| ((*name).to_owned(), json!(masks.apply(value))));
        self.tell(kind, data.collect());
        let Course { infra, news, mut carrier, .. } = self;
        drop(news);
        let carried = match tokio::time::timeout(PATIENCE, &mut carrier).await {
            Ok(Ok(carried)) => carried,
            Ok(Err(error)) => Carried { lost: 1, why: Some(cut_off().because(error)) },
            Err(_) => {
                carrier.abort();
                Carried { lost: 1, why: Some(cut_off().because(format!("no answer for {PATIENCE:?}"))) }
            }
        };
        if let Some(why) = carried.why {
            infra.warn_untold(carried.lost, &why);
        }
    }

    fn tell(&self, kind: &str, more: BTreeMap<String, Value>) {
        let mut data = self.about.clone();
        data.extend(more);
        // Without an id there is no event; the ledger has the record.
        if let Ok(event) = self.infra.new_event(kind, data).and_then(Event::untyped) {
            let _ = self.news.send(event);
        }
    }
}

fn cut_off() -> Error {
    Error::new(ErrorKind::Unavailable, "publish the events of a deploy")
        .hint("run `infra:nats:health` to see what works")
}

/// Publishes what arrives, in order. Once that failed, only the last word is tried again.
async fn carry(
    bus: Arc<dyn EventBus>,
    mut news: UnboundedReceiver<Event>,
    heartbeat: impl Fn(&str) -> Result<Event>,
) -> Carried {
    let (mut carried, mut at) = (Carried::default(), String::new());
    loop {
        let event = match tokio::time::timeout(HEARTBEAT, news.recv()).await {
            Ok(Some(event)) => event,
            Ok(None) => return carried,
            Err(_) => match heartbeat(&at) {
                Ok(event) if carried.why.is_none() => event,
                _ => continue,
            },
        };
        let is_passing =
            [vocabulary::DEPLOY_STEP, vocabulary::DEPLOY_HEARTBEAT].contains(&event.kind.as_str());
        if let Some(text) = event.data.get("text").and_then(Value::as_str) {
            text.clone_into(&mut at);
        }
        if carried.why.is_some() && is_passing {
            carried.lost += 1;
            continue;
        }
        let retry = if is_passing { Retry::none() } else { Retry::default() };
        let (bus, event) = (&*bus, &event);
        // A cancelled deploy tells of its end, too.
        let published = retry.run(&CancelToken::new(), |_| async move { bus.publish(event).await }).await;
        if let Err(error) = published {
            carried.lost += 1;
            carried.why.get_or_insert(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;
    use crate::events::{Page, Published, Query};

    /// A bus that keeps the types of events, and fails as often as it is told to.
    #[derive(Default)]
    struct Heard {
        kinds: Mutex<Vec<String>>,
        fails: Mutex<u32>,
    }

    #[async_trait]
    impl EventBus for Heard {
        async fn publish(&self, event: &Event) -> Result<Published> {
            let mut fails = self.fails.lock().unwrap();
            if *fails > 0 {
                *fails -= 1;
                return Err(Error::new(ErrorKind::Unavailable, "publish").retryable());
            }
            self.kinds.lock().unwrap().push(event.kind.clone());
            Ok(Published::Now)
        }
        async fn read(&self, _: &Query) -> Result<Page> {
            Err(Error::new(ErrorKind::Unavailable, "read"))
        }
    }

    fn event(kind: &str) -> Event {
        Event::new("/acme/shop".parse().unwrap(), kind, "local", json!({ "text": "at work" })).unwrap()
    }

    async fn carried(bus: &Arc<Heard>, kinds: &[&str]) -> Carried {
        let (sender, receiver) = unbounded_channel();
        kinds.iter().for_each(|kind| sender.send(event(kind)).unwrap());
        drop(sender);
        carry(bus.clone(), receiver, |_| Ok(event(vocabulary::DEPLOY_HEARTBEAT))).await
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_deploy_tells_arrives_in_order() {
        let bus = Arc::new(Heard::default());
        let told = ["deploy.start", "deploy.step", "deploy.step", "deploy.done"];
        let carried = carried(&bus, &told).await;
        assert!(carried.lost == 0 && carried.why.is_none());
        assert_eq!(*bus.kinds.lock().unwrap(), told);
    }

    #[tokio::test(start_paused = true)]
    async fn a_bus_that_is_down_is_asked_again_only_for_the_last_word() {
        let bus = Arc::new(Heard::default());
        *bus.fails.lock().unwrap() = 3;
        let carried = carried(&bus, &["deploy.start", "deploy.step", "deploy.done"]).await;
        assert_eq!(carried.lost, 2);
        assert!(carried.why.is_some());
        assert_eq!(*bus.kinds.lock().unwrap(), ["deploy.done"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_step_tells_that_it_lives() {
        let bus = Arc::new(Heard::default());
        let (sender, receiver) = unbounded_channel();
        let heartbeat = |at: &str| {
            assert_eq!(at, "at work");
            Ok(event(vocabulary::DEPLOY_HEARTBEAT))
        };
        let carrier = tokio::spawn(carry(bus.clone(), receiver, heartbeat));
        sender.send(event("deploy.step")).unwrap();
        tokio::time::sleep(HEARTBEAT * 2 + HEARTBEAT / 2).await;
        drop(sender);
        carrier.await.unwrap();
        assert_eq!(*bus.kinds.lock().unwrap(), ["deploy.step", "deploy.heartbeat", "deploy.heartbeat"]);
    }
}
