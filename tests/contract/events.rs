//! What every event bus must do: one check for each sentence of `EventBus`'s contract.

use infra_sdk::ErrorKind;
use infra_sdk::events::{Cursor, Event, EventBus, Published, Query};
use serde_json::{Value, json};

fn event(source: &str, kind: &str, data: Value) -> Event {
    Event::new(source.parse().expect("a source"), kind, "staging", data).expect("an event")
}

async fn ids(bus: &dyn EventBus, query: &Query) -> Vec<String> {
    bus.read(query).await.expect("events").into_iter().map(|(_, event)| event.id).collect()
}

/// Checks an empty bus.
pub(crate) async fn holds(bus: &dyn EventBus) {
    assert_eq!(bus.read(&Query::first(10)).await.expect("no events"), [], "none are an empty list");

    let mut first =
        event("/acme/shop", "deploy.start", json!({ "text": "ü \"quoted\"\nline", "number": 1.5 }));
    first.extensions.insert("traceparent".into(), json!("00-1-2-3"));
    assert_eq!(bus.publish(&first).await.expect("kept"), Published::Now);
    let read = bus.read(&Query::first(10)).await.expect("events");
    assert_eq!(read[0].1, first, "an event is read as it was given");

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

    let wrong = Query { after: Some(Cursor::new("never given")), ..Query::first(1) };
    assert_eq!(bus.read(&wrong).await.expect_err("a wrong cursor").kind(), ErrorKind::Invalid);
}

async fn pages(bus: &dyn EventBus, mut query: Query, all: &[String]) {
    let mut seen = Vec::new();
    loop {
        let page = bus.read(&query).await.expect("a page");
        let Some((cursor, _)) = page.last() else { break };
        query.after = Some(cursor.clone());
        seen.extend(page.into_iter().map(|(_, event)| event.id));
    }
    assert_eq!(seen, all, "reading on misses nothing and repeats nothing");
}

async fn filters(bus: &dyn EventBus) {
    let all = bus.read(&Query::first(100)).await.expect("events");
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
