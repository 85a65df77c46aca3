//! The ledger on JetStream against real servers: the contract, many writers, crashes, and that nothing can be removed.

use std::time::{Duration, Instant};

use infra_sdk::ErrorKind;
use infra_sdk::ledger::{Entry, Ledger, Outcome, Record, verify};
use infra_sdk::nats::NatsLedger;
use support::NatsServer;

use crate::nats_events::{bootstrap, jetstream, nats_at};

const LEDGER: &str = "INFRA_LEDGER";

fn ledger_at(server: &NatsServer) -> NatsLedger {
    ledger_of(server, "acme")
}

fn ledger_of(server: &NatsServer, org: &str) -> NatsLedger {
    NatsLedger::new(nats_at(&server.url()), &org.parse().unwrap())
}

async fn ready() -> (NatsServer, NatsLedger) {
    let server = NatsServer::start();
    bootstrap(&nats_at(&server.url())).await;
    let ledger = ledger_at(&server);
    (server, ledger)
}

fn record(subject: impl Into<String>) -> Record {
    let (env, project) = ("staging".parse().unwrap(), "shop".parse().unwrap());
    Record::new("ada", env, project, "deploy", subject, Outcome::Done)
}

#[tokio::test]
async fn the_ledger_on_jetstream_holds() {
    let (_server, ledger) = ready().await;
    crate::ledger::holds(&ledger).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_on_a_cluster_holds_whichever_copy_answers() {
    let servers = NatsServer::cluster(3);
    bootstrap(&nats_at(&servers[0].url())).await;
    crate::ledger::holds(&ledger_at(&servers[1])).await;
    let (there, here) = (ledger_at(&servers[0]), ledger_at(&servers[2]));
    for number in 7..27_u64 {
        let kept = there.append(record("x")).await.unwrap();
        assert_eq!(
            here.read(number - 1, 10).await.unwrap(),
            [kept],
            "what is kept is read from another at once"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_append_at_once_make_one_chain() {
    let (server, ledger) = ready().await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let ledger = ledger_at(&server);
        writers.spawn(async move {
            for number in 0..10 {
                ledger.append(record(format!("{writer}-{number}"))).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    assert_eq!(verify(&ledger, None).await.unwrap().entries, 80);
}

#[tokio::test]
async fn an_entry_is_kept_once_though_the_server_is_killed_meanwhile() {
    let (mut server, ledger) = ready().await;
    ledger.append(record("first")).await.unwrap();
    for round in 0..5_u32 {
        let writer = {
            let ledger = ledger.clone();
            tokio::spawn(async move {
                // As often as its error says that it may help.
                let begun = Instant::now();
                loop {
                    match ledger.append(record(format!("round {round}"))).await {
                        Ok(entry) => return entry,
                        Err(error) => assert!(
                            error.is_retryable() && begun.elapsed() < Duration::from_secs(60),
                            "{}",
                            error.report()
                        ),
                    }
                }
            })
        };
        tokio::time::sleep(Duration::from_millis(u64::from(round))).await;
        server.restart();
        let entry = writer.await.unwrap();
        assert_eq!(entry.subject, format!("round {round}"));
    }
    let fresh = ledger_at(&server);
    verify(&fresh, None).await.unwrap();
    let entries = fresh.read(0, 100).await.unwrap();
    for round in 0..5 {
        let subject = format!("round {round}");
        assert_eq!(entries.iter().filter(|entry| entry.subject == subject).count(), 1, "{subject}");
    }
}

#[tokio::test]
async fn nothing_can_be_removed_from_the_ledger() {
    let (server, ledger) = ready().await;
    ledger.append(record("one")).await.unwrap();
    let stream = jetstream(&server.url()).await.get_stream(LEDGER).await.unwrap();
    assert!(stream.delete_message(1).await.is_err());
    assert!(stream.purge().await.is_err());
    let jetstream = jetstream(&server.url()).await;
    let mut config = stream.cached_info().config.clone();
    config.deny_delete = false;
    assert!(jetstream.update_stream(config).await.is_err(), "and that stays so");
    assert_eq!(verify(&ledger, None).await.unwrap().entries, 1);
}

#[tokio::test]
async fn what_somebody_else_published_there_is_named_with_its_place_and_stops_nobody() {
    let (server, ledger) = ready().await;
    for subject in ["one", "two"] {
        ledger.append(record(subject)).await.unwrap();
    }
    let jetstream = jetstream(&server.url()).await;
    jetstream.publish("infra.v1.ledger.acme", "no entry".into()).await.unwrap().await.unwrap();
    // It stops nobody, and is told by whoever looks.
    for (number, subject) in ["three", "four"].into_iter().enumerate() {
        assert_eq!(ledger_at(&server).append(record(subject)).await.unwrap().seq, number as u64 + 3);
    }
    jetstream.publish("infra.v1.ledger.acme", "{}".into()).await.unwrap().await.unwrap();
    // Also behind more of it than one wants to go back over, and where there is no entry at all.
    for number in 0..60 {
        jetstream.publish("infra.v1.ledger.flooded", "{}".into()).await.unwrap().await.unwrap();
        if number == 0 {
            assert_eq!(ledger_of(&server, "flooded").append(record("one")).await.unwrap().seq, 1);
        }
    }
    assert_eq!(ledger_of(&server, "flooded").append(record("two")).await.unwrap().seq, 2);
    for fresh in [ledger.clone(), ledger_at(&server)] {
        let error = verify(&fresh, None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let told = error.report().to_string();
        for part in
            ["2 things in the ledger", "sequence 3 of infra.v1.ledger.acme", "4, their chain is whole"]
        {
            assert!(told.contains(part), "{told}");
        }
        let subjects =
            |entries: Vec<Entry>| entries.into_iter().map(|entry| entry.subject).collect::<Vec<_>>();
        assert_eq!(subjects(fresh.read(0, 100).await.unwrap()), ["one", "two", "three", "four"]);
        assert_eq!(subjects(ledger_at(&server).read(1, 2).await.unwrap()), ["two", "three"]);
    }

    // One that was written by hand: its hash does not match.
    let other = ledger_of(&server, "umbra");
    let mut entry = serde_json::to_value(other.append(record("one")).await.unwrap()).unwrap();
    entry["seq"] = 2.into();
    jetstream.publish("infra.v1.ledger.umbra", entry.to_string().into()).await.unwrap().await.unwrap();
    let error = verify(&other, None).await.unwrap_err();
    assert!(error.to_string().contains("entry 2 was edited"), "{error}");
}

#[tokio::test]
async fn two_organisations_in_one_stream_have_a_ledger_each_however_it_is_read() {
    let (server, acme) = ready().await;
    let umbra = ledger_of(&server, "umbra");
    for number in 0..30 {
        acme.append(record(format!("acme {number}"))).await.unwrap();
        umbra.append(record(format!("umbra {number}"))).await.unwrap();
    }
    for (ledger, name) in [(&acme, "acme"), (&umbra, "umbra")] {
        // Forwards, backwards, and by one that has read nothing yet.
        for (skip, limit) in [(0, 10), (10, 10), (20, 100), (5, 3), (29, 1), (30, 1), (12, 7)] {
            let fresh = ledger_of(&server, name);
            for ledger in [ledger, &fresh] {
                let read = ledger.read(skip, limit).await.unwrap();
                let subjects: Vec<&str> = read.iter().map(|entry| entry.subject.as_str()).collect();
                let end = 30.min(skip as usize + limit);
                let expected: Vec<String> =
                    (skip as usize..end).map(|number| format!("{name} {number}")).collect();
                assert_eq!(subjects, expected, "{skip} {limit}");
            }
        }
        assert_eq!(verify(ledger, None).await.unwrap().entries, 30);
    }
}

#[tokio::test]
async fn a_ledger_that_is_not_there_says_what_makes_it() {
    let server = NatsServer::start();
    let ledger = ledger_at(&server);
    for error in [ledger.append(record("x")).await.unwrap_err(), ledger.read(0, 1).await.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{}", error.report());
        assert!(error.report().to_string().contains("infra:nats:bootstrap"), "{}", error.report());
    }
}

#[tokio::test]
async fn a_full_ledger_refuses_and_loses_nothing() {
    let (server, ledger) = ready().await;
    ledger.append(record("one")).await.unwrap();
    let jetstream = jetstream(&server.url()).await;
    let mut config = jetstream.get_stream(LEDGER).await.unwrap().cached_info().config.clone();
    config.max_messages = 1;
    jetstream.update_stream(config).await.unwrap();
    let error = ledger.append(record("two")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.report());
    assert!(error.report().to_string().contains("limit"), "{}", error.report());
    assert_eq!(verify(&ledger, None).await.unwrap().entries, 1);
}
