//! What every event bus must do: one check for each sentence of `EventBus`'s contract.

use std::sync::Arc;
use std::time::Duration;

use infra_sdk::ErrorKind;
use infra_sdk::events::{Cursor, Event, EventBus, MOST_BYTES, Page, Published, Query, Start, subscribe};
use infra_sdk::time::Timestamp;
use serde_json::{Value, json};

fn event(source: &str, kind: &str, data: Value) -> Event {
    Event::new(source.parse().expect("a source"), kind, "staging", data).expect("an event")
}

async fn ids(bus: &dyn EventBus, query: &Query) -> Vec<String> {
    bus.read(query).await.expect("events").events.into_iter().map(|(_, event)| event.id).collect()
}

/// Checks an empty bus.
pub(crate) async fn holds(bus: Arc<dyn EventBus>) {
    carries(&*bus).await;
    starts(&*bus).await;
    follows(bus.clone()).await;
    odd(&*bus).await;
}

async fn carries(bus: &dyn EventBus) {
    let Page { events, next, foreign } = bus.read(&Query::first(10)).await.expect("no events");
    assert!(events.is_empty() && foreign == 0, "none are an empty page");
    let after = Query { from: Start::After(next), ..Query::first(10) };
    assert!(ids(bus, &after).await.is_empty(), "its end is a place, too");

    let mut first =
        event("/acme/shop", "deploy.start", json!({ "text": "ü \"quoted\"\nline", "number": 1.5 }));
    first.extensions.insert("traceparent".into(), json!("00-1-2-3"));
    assert_eq!(bus.publish(&first).await.expect("kept"), Published::Now);
    let read = bus.read(&Query::first(10)).await.expect("events");
    assert_eq!(read.events[0].1, first, "an event is read as it was given");
    assert_eq!(ids(bus, &after).await, [first.id.as_str()], "what came behind a place is read from there");

    let mut again = event("/acme/shop", "deploy.failed", json!("other"));
    again.id = first.id.clone();
    assert_eq!(bus.publish(&again).await.expect("known"), Published::Before);
    assert_eq!(ids(bus, &Query::first(10)).await, [first.id.as_str()], "the first one stays");
    let mut elsewhere = event("/acme/web", "deploy.start", Value::Null);
    elsewhere.id = first.id.clone();
    assert_eq!(bus.publish(&elsewhere).await.expect("another source"), Published::Now);

    let mut order = vec![first.id.clone(), elsewhere.id.clone()];
    for (index, kind) in ["deploy.done", "deployment", "deploy"].iter().cycle().take(21).enumerate() {
        let source = if index % 3 == 0 { "/acme/web" } else { "/acme/shop" };
        let next = event(source, kind, json!({ "index": index }));
        bus.publish(&next).await.expect("kept");
        order.push(next.id);
    }
    assert_eq!(ids(bus, &Query::first(100)).await, order, "all readers see one order");
    assert_eq!(ids(bus, &Query::first(100)).await, order, "also when they read again");
    assert_eq!(ids(bus, &Query::first(5)).await, order[..5], "at most the limit");
    assert_eq!(ids(bus, &Query::first(0)).await, [""; 0], "a limit of nothing");

    pages(bus, Query::first(4), &order).await;
    filters(bus).await;

    for wrong in ["never given", "", "-1", "99999999999999999999"] {
        let wrong = Query { from: Start::After(Cursor::new(wrong)), ..Query::first(1) };
        assert_eq!(bus.read(&wrong).await.expect_err("a wrong cursor").kind(), ErrorKind::Invalid);
    }
}

async fn pages(bus: &dyn EventBus, mut query: Query, all: &[String]) {
    let mut seen = Vec::new();
    loop {
        let page = bus.read(&query).await.expect("a page");
        let Some((last, _)) = page.events.last() else { break };
        // Of an event and of its page: both are places to read on from.
        let from = if seen.len() % 2 == 0 { last.clone() } else { page.next };
        query.from = Start::After(from);
        seen.extend(page.events.into_iter().map(|(_, event)| event.id));
    }
    assert_eq!(seen, all, "reading on misses nothing and repeats nothing");
}

async fn filters(bus: &dyn EventBus) {
    let all = bus.read(&Query::first(100)).await.expect("events").events;
    let chosen = |keep: &dyn Fn(&Event) -> bool| -> Vec<String> {
        all.iter().filter(|(_, event)| keep(event)).map(|(_, event)| event.id.clone()).collect()
    };
    let web = Query { source: Some("/acme/web".parse().expect("a source")), ..Query::first(2) };
    pages(bus, web, &chosen(&|event| event.source.repo().as_str() == "web")).await;
    let deploy = Query { kind: Some("deploy".into()), ..Query::first(3) };
    pages(bus, deploy, &chosen(&|event| event.kind != "deployment")).await;
    let done = Query { kind: Some("deploy.done".into()), ..Query::first(100) };
    assert_eq!(ids(bus, &done).await, chosen(&|event| event.kind == "deploy.done"));
}

/// From the oldest, from a time, from now on.
async fn starts(bus: &dyn EventBus) {
    let all = ids(bus, &Query::first(1_000)).await;
    let past: Timestamp = "2020-01-01T00:00:00Z".parse().expect("a time");
    let since = Query { from: Start::Since(past), ..Query::first(1_000) };
    assert_eq!(ids(bus, &since).await, all, "everything came since then");
    let newest = bus.read(&Query { from: Start::Newest, ..Query::first(10) }).await.expect("a page");
    assert!(newest.events.is_empty(), "nothing has come from now on");
    // Two events are told apart by their times only when the clock has moved on between them.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let now = Timestamp::now();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let late = event("/acme/shop", "late", Value::Null);
    bus.publish(&late).await.expect("kept");
    for from in [Start::Since(now), Start::After(newest.next)] {
        assert_eq!(ids(bus, &Query { from, ..Query::first(10) }).await, [late.id.as_str()]);
    }
    let future: Timestamp = "2090-01-01T00:00:00Z".parse().expect("a time");
    let page = bus.read(&Query { from: Start::Since(future), ..Query::first(10) }).await.expect("a page");
    assert!(page.events.is_empty(), "nothing came since then");
    let end = Query { from: Start::After(page.next), ..Query::first(10) };
    assert!(ids(bus, &end).await.is_empty(), "its end is behind all that there is");
}

/// Waiting ends when something comes, and what comes is given in order, each once.
async fn follows(bus: Arc<dyn EventBus>) {
    let query = Query { from: Start::Newest, kind: Some("told".into()), ..Query::first(0) };
    let mut following = subscribe::<u64>(bus.clone(), query).await.expect("it follows");
    let publisher = async {
        for number in 0..3_u64 {
            // So that the other waits, and is not only late.
            tokio::time::sleep(Duration::from_millis(200)).await;
            bus.publish(&event("/acme/shop", "told", json!(number))).await.expect("kept");
            bus.publish(&event("/acme/shop", "other", json!("no number"))).await.expect("kept");
        }
    };
    let reader = async {
        for number in 0..3_u64 {
            let next = tokio::time::timeout(Duration::from_secs(20), following.next());
            let (_, event) = next.await.expect("in time").expect("an event");
            assert_eq!(event.data, number);
        }
    };
    tokio::join!(publisher, reader);
    let quiet = Query { from: Start::Newest, ..Query::first(1) };
    bus.wait(&quiet, Duration::from_millis(100)).await.expect("a wait ends by itself");
}

/// Names and sizes that nobody expects.
async fn odd(bus: &dyn EventBus) {
    let place = bus.read(&Query { from: Start::Newest, ..Query::first(1) }).await.expect("a page").next;
    let after = Query { from: Start::After(place), ..Query::first(100) };
    let mut given = Vec::new();
    for (source, kind, subject, id) in [
        ("/acme/shop.api", "a.b*c.>", Some("sta.ging *"), "id with spaces"),
        ("/acme/shop_2", "größe", Some("käse"), "ünïcode\r\nX: y"),
        ("/acme/shop", "..", None, "*"),
        ("/acme/shop", "x", Some(""), &"long".repeat(500)),
    ] {
        let mut event = event(source, kind, json!({ "kind": kind }));
        event.subject = subject.map(str::to_owned);
        event.id = id.into();
        assert_eq!(bus.publish(&event).await.expect("kept"), Published::Now, "{kind:?}");
        assert_eq!(bus.publish(&event).await.expect("known"), Published::Before, "{kind:?}");
        given.push(event);
    }
    let read = bus.read(&after).await.expect("a page");
    let read: Vec<Event> = read.events.into_iter().map(|(_, event)| event).collect();
    assert_eq!(read, given, "whole, in order, and none takes the place of another");
    let shop = Query { source: Some("/acme/shop".parse().expect("a source")), ..after.clone() };
    assert_eq!(ids(bus, &shop).await.len(), 2, "a name that begins alike is another one");
    let starred = Query { kind: Some("a.b*c".into()), ..after.clone() };
    assert_eq!(ids(bus, &starred).await, ["id with spaces"], "a star is a star");

    let large = event("/acme/shop", "large", json!("x".repeat(900_000)));
    assert_eq!(bus.publish(&large).await.expect("kept"), Published::Now);
    let too_large = event("/acme/shop", "large", json!("x".repeat(2_000_000)));
    let error = bus.publish(&too_large).await.expect_err("too large");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let said = error.to_string();
    assert!(
        said.contains("20001") && said.contains(&MOST_BYTES.to_string()),
        "its size, and the limit: {said}"
    );
    assert_eq!(ids(bus, &after).await.last(), Some(&large.id), "and nothing of it is carried");
}
