//! Events on JetStream against real servers: the contract, crashes, full and missing streams, and what is no event.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream::stream::Config;
use infra_sdk::config;
use infra_sdk::events::{
    self, Event, EventBus, EventStore, Published, Query, Start, Subscription, subscribe,
};
use infra_sdk::nats::{Nats, NatsAssets, NatsBus, Target};
use infra_sdk::{Env, Error, ErrorKind};
use serde_json::{Value, json};
use support::NatsServer;

/// The name of the stream.
pub(crate) const EVENTS: &str = "INFRA_EVENTS";

/// NATS at an address, as these settings have it.
pub(crate) fn nats_with(settings: config::Nats) -> Nats {
    Nats::new(Target::resolve(&Env::of([("X", "y")], "/"), &settings, Path::new("/")).unwrap(), "test")
}

/// NATS at an address.
pub(crate) fn nats_at(url: &str) -> Nats {
    nats_with(config::Nats { url: Some(url.into()), ..config::Nats::default() })
}

/// Does again what nobody answered: a cluster that has just begun may elect another leader while it is asked.
pub(crate) async fn patiently<T>(mut attempt: impl AsyncFnMut() -> Result<T, Error>) -> T {
    let begun = Instant::now();
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(error) => assert!(
                error.is_retryable() && begun.elapsed() < Duration::from_secs(60),
                "{}",
                story(&error)
            ),
        }
    }
}

/// Makes everything that should be there.
pub(crate) async fn bootstrap(nats: &Nats) {
    let settings = config::Nats { ledger: true, ..config::Nats::default() };
    let assets = NatsAssets::new(nats.clone(), &settings);
    patiently(async || assets.set_up(&assets.plan_setup().await?).await).await;
}

/// JetStream as anybody else uses it.
pub(crate) async fn jetstream(url: &str) -> async_nats::jetstream::Context {
    async_nats::jetstream::new(async_nats::connect(url).await.unwrap())
}

/// A server with everything, and its bus.
async fn ready() -> (NatsServer, Arc<NatsBus>) {
    let server = NatsServer::start();
    let nats = nats_at(&server.url());
    bootstrap(&nats).await;
    (server, Arc::new(NatsBus::new(nats)))
}

fn event(kind: &str, data: Value) -> Event {
    Event::new("/acme/shop".parse().unwrap(), kind, "staging", data).unwrap()
}

async fn kinds(bus: &dyn EventBus) -> Vec<String> {
    let page = bus.read(&Query::first(1_000)).await.unwrap();
    page.events.into_iter().map(|(_, event)| event.kind).collect()
}

/// The whole story of an error, hints included.
fn story(error: &Error) -> String {
    error.report().to_string()
}

#[tokio::test]
async fn events_on_jetstream_hold() {
    let (_server, bus) = ready().await;
    crate::events::holds(bus).await;
}

#[tokio::test]
async fn events_on_the_oldest_server_that_will_do_hold() {
    let server = NatsServer::version(support::LEAST_NATS_SERVER);
    let nats = nats_at(&server.url());
    bootstrap(&nats).await;
    crate::events::holds(Arc::new(NatsBus::new(nats))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_on_a_cluster_hold_whichever_copy_answers() {
    let servers = NatsServer::cluster(3);
    bootstrap(&nats_at(&servers[0].url())).await;
    crate::events::holds(Arc::new(NatsBus::new(nats_at(&servers[1].url())))).await;
    // What one server was told is read from another at once.
    let (there, here) = (NatsBus::new(nats_at(&servers[0].url())), NatsBus::new(nats_at(&servers[2].url())));
    let mut place = here.read(&Query { from: Start::Newest, ..Query::first(1) }).await.unwrap().next;
    for number in 0..100 {
        there.publish(&event("told", json!(number))).await.unwrap();
        let page = here.read(&Query { from: Start::After(place), ..Query::first(10) }).await.unwrap();
        let read: Vec<&Value> = page.events.iter().map(|(_, event)| &event.data).collect();
        assert_eq!(read, [&json!(number)]);
        place = page.next;
    }
}

#[tokio::test]
async fn what_was_published_outlives_the_server_and_is_known_again() {
    let (mut server, bus) = ready().await;
    let first = event("before", json!(1));
    bus.publish(&first).await.unwrap();
    let place = bus.read(&Query::first(1)).await.unwrap().next;
    server.restart();
    assert_eq!(published(&*bus, &first).await, Published::Before, "by the same connection");
    let anew = NatsBus::new(nats_at(&server.url()));
    assert_eq!(anew.publish(&first).await.unwrap(), Published::Before, "and by another");
    published(&*bus, &event("after", json!(2))).await;
    assert_eq!(kinds(&anew).await, ["before", "after"]);
    let behind = anew.read(&Query { from: Start::After(place), ..Query::first(9) }).await.unwrap();
    assert_eq!(behind.events.len(), 1, "a place outlives the server, too");
}

#[tokio::test]
async fn a_name_that_another_repo_took_hides_no_event() {
    let (server, bus) = ready().await;
    let mine = event("mine", json!(1));
    let name = format!("{}/{}", mine.source, mine.id);
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Nats-Msg-Id", name.as_str());
    let theirs = "infra.v1.evt.acme.another.staging.theirs";
    let jetstream = jetstream(&server.url()).await;
    let sent = jetstream.publish_with_headers(theirs, headers, "{}".into()).await;
    assert!(!sent.unwrap().await.unwrap().duplicate);
    assert_eq!(bus.publish(&mine).await.unwrap(), Published::Now);
    assert_eq!(bus.publish(&mine).await.unwrap(), Published::Before);
    assert_eq!(kinds(&*bus).await, ["mine"]);
}

/// Publishes as its contract allows it: again, while nobody answers.
async fn published(bus: &dyn EventBus, event: &Event) -> Published {
    patiently(async || bus.publish(event).await).await
}

#[tokio::test]
async fn of_many_who_publish_one_event_one_does() {
    let (server, _) = ready().await;
    let event = event("once", json!(1));
    let mut publishers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (bus, event) = (NatsBus::new(nats_at(&server.url())), event.clone());
        publishers.spawn(async move { bus.publish(&event).await.unwrap() });
    }
    let done = publishers.join_all().await;
    assert_eq!(done.iter().filter(|published| **published == Published::Now).count(), 1, "{done:?}");
}

#[tokio::test]
async fn a_follower_goes_on_behind_a_server_that_was_killed() {
    let (mut server, bus) = ready().await;
    let from_now = Query { from: Start::Newest, ..Query::first(0) };
    let mut following = subscribe::<Value>(bus.clone(), from_now).await.unwrap();
    bus.publish(&event("one", json!(1))).await.unwrap();
    assert_eq!(next(&mut following).await.kind, "one");
    server.kill();
    server.restart();
    published(&NatsBus::new(nats_at(&server.url())), &event("two", json!(2))).await;
    assert_eq!(next(&mut following).await.kind, "two");
    published(&*bus, &event("three", json!(3))).await;
    assert_eq!(next(&mut following).await.kind, "three");
}

async fn next(following: &mut Subscription<Value>) -> Event {
    let next = patiently(async || following.next().await);
    tokio::time::timeout(Duration::from_secs(60), next).await.expect("in time").1
}

#[tokio::test]
async fn a_follower_hears_of_an_event_at_once() {
    let (server, bus) = ready().await;
    let from_now =
        Query { from: Start::Newest, source: Some("/acme/shop".parse().unwrap()), ..Query::first(0) };
    let mut following = subscribe::<u32>(bus, from_now).await.unwrap();
    let other = NatsBus::new(nats_at(&server.url()));
    let publisher = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = Instant::now();
        events::publish(&other, event("x", json!(7))).await.unwrap();
        now
    };
    let follower = async {
        let (_, event) = following.next().await.unwrap();
        assert_eq!(event.data, 7);
        Instant::now()
    };
    let (told, heard) = tokio::join!(publisher, follower);
    let took = heard.saturating_duration_since(told);
    println!("heard after {took:?}");
    assert!(took < Duration::from_secs(2), "it was woken up, and did not wait for its time: {took:?}");
}

#[tokio::test]
async fn a_full_stream_drops_its_oldest_events_unless_somebody_set_it_up_to_refuse() {
    let (server, bus) = ready().await;
    let jetstream = jetstream(&server.url()).await;
    let limited = |refuses: bool| {
        let jetstream = jetstream.clone();
        async move {
            let stream = jetstream.get_stream(EVENTS).await.unwrap();
            let mut config: Config = stream.cached_info().config.clone();
            config.max_messages = 3;
            if refuses {
                config.discard = async_nats::jetstream::stream::DiscardPolicy::New;
            }
            jetstream.update_stream(config).await.unwrap();
        }
    };
    limited(false).await;
    for kind in ["a", "b", "c", "d"] {
        bus.publish(&event(kind, json!(1))).await.unwrap();
    }
    assert_eq!(kinds(&*bus).await, ["b", "c", "d"]);
    limited(true).await;
    let error = bus.publish(&event("e", json!(1))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(story(&error).contains("limit") && story(&error).contains(EVENTS), "{}", story(&error));
    assert_eq!(kinds(&*bus).await, ["b", "c", "d"], "nothing is lost");
}

#[tokio::test]
async fn a_stream_that_is_not_there_says_what_makes_it() {
    let server = NatsServer::start();
    let bus = NatsBus::new(nats_at(&server.url()));
    for error in
        [bus.publish(&event("x", json!(1))).await.unwrap_err(), bus.read(&Query::first(1)).await.unwrap_err()]
    {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{}", story(&error));
        assert!(story(&error).contains("infra:nats:bootstrap"), "{}", story(&error));
    }
}

#[tokio::test]
async fn a_place_in_a_stream_that_was_deleted_is_refused_and_never_a_place_in_the_next_one() {
    let (server, bus) = ready().await;
    bus.publish(&event("old", json!(1))).await.unwrap();
    let place = bus.read(&Query::first(1)).await.unwrap().next;
    jetstream(&server.url()).await.delete_stream(EVENTS).await.unwrap();
    let after = Query { from: Start::After(place), ..Query::first(1) };
    let error = bus.read(&after).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{}", story(&error));
    bootstrap(&nats_at(&server.url())).await;
    for kind in ["new", "newer"] {
        bus.publish(&event(kind, json!(1))).await.unwrap();
    }
    let error = bus.read(&after).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(story(&error).contains("made anew"), "{}", story(&error));
}

#[tokio::test]
async fn what_is_no_event_is_passed_over_and_counted() {
    let (server, bus) = ready().await;
    bus.publish(&event("first", json!(1))).await.unwrap();
    let jetstream = jetstream(&server.url()).await;
    let whole = event("x", json!(1)).to_json().unwrap();
    let own = "infra.v1.evt.acme.shop.staging.x";
    for (subject, text) in [
        (own, "no JSON".to_owned()),
        (own, "{\"specversion\":\"1.0\"}".to_owned()),
        (own, whole.replace("\"1.0\"", "\"2.0\"")),
        // In the name of a repo that the subject does not let it speak for.
        ("infra.v1.evt.acme.web.staging.x", whole.clone()),
        ("infra.v1.evt.acme.shop.production.x", whole.clone()),
        ("infra.v1.evt", whole.clone()),
    ] {
        let sent = jetstream.publish(subject.to_owned(), text.into()).await.unwrap().await;
        assert_eq!(sent.is_ok(), subject != "infra.v1.evt", "{subject}: {sent:?}");
    }
    bus.publish(&event("last", json!(1))).await.unwrap();
    let page = bus.read(&Query::first(10)).await.unwrap();
    assert_eq!(kinds(&*bus).await, ["first", "last"]);
    assert_eq!(page.foreign, 5);
    let limited = bus.read(&Query::first(2)).await.unwrap();
    assert_eq!(limited.events.len(), 2, "what is passed over does not count against a limit");
    let mut whole_again: Event = serde_json::from_str(&whole).unwrap();
    whole_again.extensions.insert("traceparent".into(), json!("00-1"));
    let text = whole_again.to_json().unwrap();
    jetstream.publish(own, text.into()).await.unwrap().await.unwrap();
    assert_eq!(kinds(&*bus).await, ["first", "last", "x"], "another program's event is one");
}

#[tokio::test]
async fn an_event_looks_to_others_as_cloudevents_has_it() {
    let (server, bus) = ready().await;
    let event = event("deploy.done", json!({ "version": "1.4.0" }));
    bus.publish(&event).await.unwrap();
    let stream = jetstream(&server.url()).await.get_stream(EVENTS).await.unwrap();
    let message = stream.get_raw_message(1).await.unwrap();
    assert_eq!(message.subject.as_str(), "infra.v1.evt.acme.shop.staging.deploy.done");
    let header = |name: &str| message.headers.get(name).unwrap().as_str().to_owned();
    assert_eq!(header("content-type"), "application/cloudevents+json");
    assert_eq!(header("Nats-Msg-Id"), format!("/acme/shop/{}", event.id));
    let body: Value = serde_json::from_slice(&message.payload).unwrap();
    assert_eq!((&body["specversion"], &body["type"]), (&json!("1.0"), &json!("deploy.done")));
}

#[tokio::test]
async fn a_server_that_takes_less_says_so_before_anything_is_sent() {
    let server = NatsServer::start_with("max_payload: 64KB\njetstream { store_dir: \"{store}\" }");
    let nats = nats_at(&server.url());
    bootstrap(&nats).await;
    let bus = NatsBus::new(nats);
    let error = bus.publish(&event("x", json!("x".repeat(100_000)))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let told = story(&error);
    assert!(
        told.contains("100") && told.contains("at most: 63488") && told.contains("max_payload"),
        "{told}"
    );
    bus.publish(&event("x", json!("x".repeat(60_000)))).await.unwrap();
}

#[tokio::test]
async fn a_server_without_jetstream_is_told_apart_from_a_missing_stream() {
    let server = NatsServer::start_with("");
    let bus = NatsBus::new(nats_at(&server.url()));
    let begun = Instant::now();
    let error = bus.publish(&event("x", json!(1))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", story(&error));
    assert!(story(&error).contains("JetStream"), "{}", story(&error));
    assert!(begun.elapsed() < Duration::from_secs(4), "at once: {:?}", begun.elapsed());
}

#[tokio::test]
async fn nobody_at_the_address_is_told_as_that() {
    let mut server = NatsServer::start();
    let bus = NatsBus::new(nats_at(&server.url()));
    server.kill();
    let error = bus.read(&Query::first(1)).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Unavailable && error.is_retryable(), "{}", story(&error));
}

#[tokio::test]
async fn a_stream_that_cannot_be_read_says_what_corrects_it() {
    let (server, bus) = ready().await;
    let jetstream = jetstream(&server.url()).await;
    let mut config: Config = jetstream.get_stream(EVENTS).await.unwrap().cached_info().config.clone();
    config.allow_direct = false;
    jetstream.update_stream(config).await.unwrap();
    let error = bus.read(&Query::first(1)).await.unwrap_err();
    assert!(
        story(&error).contains("allow_direct") && story(&error).contains("bootstrap"),
        "{}",
        story(&error)
    );
    bootstrap(&nats_at(&server.url())).await;
    bus.read(&Query::first(1)).await.unwrap();
}

#[tokio::test]
async fn many_events_are_read_in_pages_and_by_subject() {
    let (server, bus) = ready().await;
    let jetstream = jetstream(&server.url()).await;
    let mut acks = Vec::new();
    for number in 0..1_300_u32 {
        let repo = if number % 2 == 0 { "shop" } else { "web" };
        let kind = ["deploy", "deploy.done", "other"][number as usize % 3];
        let source = format!("/acme/{repo}").parse().unwrap();
        let event = Event::new(source, kind, "staging", json!(number)).unwrap();
        let subject = format!("infra.v1.evt.acme.{repo}.staging.{kind}");
        acks.push(jetstream.publish(subject, event.to_json().unwrap().into()).await.unwrap());
    }
    for ack in acks {
        ack.await.unwrap();
    }
    let numbers = |page: &events::Page| -> Vec<u64> {
        page.events.iter().map(|(_, event)| event.data.as_u64().unwrap()).collect()
    };
    let all = bus.read(&Query::first(2_000)).await.unwrap();
    assert_eq!(numbers(&all), (0..1_300).collect::<Vec<_>>());
    let shop = Query { source: Some("/acme/shop".parse().unwrap()), ..Query::first(2_000) };
    assert_eq!(numbers(&bus.read(&shop).await.unwrap()).len(), 650);
    let deploys = Query { kind: Some("deploy".into()), ..Query::first(2_000) };
    let expected: Vec<u64> = (0..1_300).filter(|number| number % 3 != 2).collect();
    assert_eq!(numbers(&bus.read(&deploys).await.unwrap()), expected, "two subjects, one order");
}
