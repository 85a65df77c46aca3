//! Offers in the work queue of real servers: one a repo, whoever may write there, whatever the cluster does meanwhile.

use std::path::Path;

use async_nats::Client;
use futures_util::{FutureExt, StreamExt};
use infra_sdk::events::{Event, EventBus};
use infra_sdk::nats::{Nats, NatsBus, Target};
use infra_sdk::{Env, config};
use support::relay::until;

use super::*;

/// Where all offers for `r0` stand.
const R0: &str = "infra.v1.work.acme.r0.staging";

/// How many offers the queue holds.
async fn standing(server: &NatsServer) -> u64 {
    let mut queue = outside(server).await.get_stream("INFRA_WORK").await.expect("the queue");
    queue.info().await.expect("told").state.messages
}

fn attempt(run: &Run, attempt: u32) -> Offer {
    Offer { attempt, ..offer_of(run, "r0", Revision(7)) }
}

/// Waits until the server has done everything that this connection sent it, and told it everything from before.
async fn settled(client: &Client) {
    let mut back = client.subscribe("settled").await.expect("it may listen");
    client.publish("settled", "".into()).await.expect("sent");
    tokio::time::timeout(SOON, back.next()).await.expect("in time").expect("a message");
}

#[tokio::test]
async fn an_offer_whose_place_another_message_took_is_made_again_as_another_one() {
    let server = NatsServer::start();
    bootstrap(&server.url()).await;
    let (store, run) = (runs(&server.url()), run_of(1));
    let first = attempt(&run, 1);
    assert_eq!(store.offer(&first).await.expect("offered"), Offered::Now);
    let client = async_nats::connect(server.url()).await.expect("the server is there");
    let context = async_nats::jetstream::new(client);
    let junk = context.publish("infra.v1.work.acme.r0.staging", "junk".into()).await.expect("sent");
    junk.await.expect("kept");
    assert_eq!(standing(&server).await, 1, "it stands in the place of the offer");
    assert_eq!(store.offer(&first).await.expect("known"), Offered::Before);
    let later = Offer { again: 1, ..first };
    assert_eq!(store.offer(&later).await.expect("offered"), Offered::Now);
    let taken =
        store.take(&run.env, &[name("r0")], std::time::Duration::from_secs(5)).await.expect("an offer");
    assert_eq!(taken.expect("it is there").offer, later);
}

#[tokio::test]
async fn offering_a_repo_a_hundred_times_leaves_one_offer_and_it_is_the_newest() {
    for version in [None, Some(LEAST_NATS_SERVER)] {
        let server = version.map_or_else(NatsServer::start, NatsServer::version);
        bootstrap(&server.url()).await;
        let store = runs(&server.url());
        let run = run_of(1);
        for at in 1..=100 {
            assert_eq!(store.offer(&attempt(&run, at)).await.expect("offered"), Offered::Now);
        }
        assert_eq!(standing(&server).await, 1);
        assert_eq!(store.offer(&attempt(&run, 7)).await.expect("known"), Offered::Before);
        let taken = store.take(&run.env, &[name("r0")], SOON).await.expect("an offer").expect("it was made");
        assert_eq!(taken.offer, attempt(&run, 100));
        store.settle(&taken).await.expect("settled");
        assert_eq!(standing(&server).await, 0);
    }
}

#[tokio::test]
async fn an_offer_that_takes_the_place_of_one_that_was_given_is_given_too_and_settled_by_itself() {
    for version in [None, Some(LEAST_NATS_SERVER)] {
        let server = version.map_or_else(NatsServer::start, NatsServer::version);
        bootstrap(&server.url()).await;
        let store = runs(&server.url()).redelivery(Duration::from_secs(60));
        let (run, r0) = (run_of(1), [name("r0")]);
        store.offer(&attempt(&run, 1)).await.expect("offered");
        let first = store.take(&run.env, &r0, SOON).await.expect("an offer").expect("it was made");
        store.offer(&attempt(&run, 2)).await.expect("offered while the other is given");
        // Whoever has the first says that it is settled: that is not the second.
        store.settle(&first).await.expect("settled");
        assert_eq!(standing(&server).await, 1);
        let second = store.take(&run.env, &r0, SOON).await.expect("an offer").expect("it is not lost");
        assert_eq!(second.offer, attempt(&run, 2));
        store.offer(&attempt(&run, 3)).await.expect("offered while the other is given");
        let third = store.take(&run.env, &r0, SOON).await.expect("an offer").expect("it waits for nobody");
        assert_eq!(third.offer, attempt(&run, 3));
        store.settle(&third).await.expect("settled");
        store.settle(&second).await.expect("its place was taken, which is no error");
        assert_eq!(store.take(&run.env, &r0, NOW).await.expect("nothing"), None);
        assert_eq!(standing(&server).await, 0);
    }
}

#[tokio::test]
async fn an_offer_that_names_another_repo_or_no_task_is_thrown_away_wherever_it_stands() {
    let server = server().await;
    let store = runs(&server.url());
    let run = run_of(2);
    let context = outside(&server).await;
    let right = offer_of(&run, "r0", Revision(7));
    let tasks = ["", "-h", "--yes=infra:apply", "deploy --force", "../deploy"];
    let mut forged: Vec<Vec<u8>> = vec![Vec::new(), b"hello".to_vec(), b"{\"run\":1}".to_vec()];
    forged.push(json(&Offer { repo: name("r1"), ..right.clone() }));
    forged.push(json(&Offer { env: "production".parse().expect("a name"), ..right.clone() }));
    forged.extend(tasks.iter().map(|task| json(&Offer { task: (*task).into(), ..right.clone() })));
    for payload in forged {
        context.publish(R0, payload.clone().into()).await.expect("sent").await.expect("kept");
        until("what is no offer for the repo is thrown away", async || {
            let taken = store.take(&run.env, &[name("r0")], NOW).await.expect("it answers");
            assert_eq!(taken, None, "{}", String::from_utf8_lossy(&payload));
            standing(&server).await == 0
        })
        .await;
    }
    store.offer(&right).await.expect("offered");
    let taken = store.take(&run.env, &[name("r0")], SOON).await.expect("an offer").expect("it was made");
    assert_eq!(taken.offer, right);
}

#[tokio::test]
async fn an_agent_of_two_repos_asks_for_these_alone_however_many_are_offered() {
    let server = server().await;
    let store = runs(&server.url()).redelivery(Duration::from_secs(600));
    let (run, two) = (run_of(100), [name("r97"), name("r98")]);
    for planned in &run.repos {
        store.offer(&offer_of(&run, planned.repo.as_str(), Revision(7))).await.expect("offered");
    }
    // The oldest first; both are given and not settled.
    for repo in &two {
        let taken = store.take(&run.env, &two, SOON).await.expect("an offer").expect("it was made");
        assert_eq!(&taken.offer.repo, repo);
    }
    let client = async_nats::connect(server.url()).await.expect("the server is there");
    let mut heard = client.subscribe("$JS.API.>").await.expect("it may listen");
    settled(&client).await;
    assert_eq!(store.take(&run.env, &two, NOW).await.expect("nothing"), None);
    settled(&client).await;
    let mut asked = Vec::new();
    while let Some(message) = heard.next().now_or_never().flatten() {
        asked.push(message.subject.to_string());
    }
    asked.sort();
    let wanted = [
        "$JS.API.CONSUMER.MSG.NEXT.INFRA_WORK.acme==r97==staging",
        "$JS.API.CONSUMER.MSG.NEXT.INFRA_WORK.acme==r98==staging",
        "$JS.API.DIRECT.GET.INFRA_WORK",
    ];
    assert_eq!(asked, wanted);
}

#[tokio::test]
async fn an_offer_waits_for_a_cluster_that_elects_and_is_sent_again_as_the_same() {
    // Without JetStream, so that somebody else can answer in its place.
    let server = NatsServer::start_with("");
    let client = async_nats::connect(server.url()).await.expect("the server is there");
    let mut offers = client.subscribe("infra.v1.work.>").await.expect("it may listen");
    settled(&client).await;
    let answering = tokio::spawn(async move {
        let away =
            r#"{"error":{"code":503,"err_code":10008,"description":"temporarily unavailable"},"seq":0}"#;
        let mut ids = Vec::new();
        for answer in [away, away, r#"{"stream":"INFRA_WORK","seq":7}"#] {
            let message = offers.next().await.expect("an offer");
            let headers = message.headers.expect("it has headers");
            ids.push(headers.get("Nats-Msg-Id").expect("it has an id").as_str().to_owned());
            client.publish(message.reply.expect("who offers waits"), answer.into()).await.expect("sent");
        }
        settled(&client).await;
        ids
    });
    let offered = runs(&server.url()).offer(&attempt(&run_of(1), 1)).await;
    assert_eq!(offered.expect("it is kept in the end"), Offered::Now);
    let ids = answering.await.expect("it ran");
    assert!(ids.len() == 3 && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[tokio::test]
async fn a_request_that_times_out_is_not_denied_because_an_event_was() {
    let server = NatsServer::start_with(
        "authorization { users: [\n{ user: ear, password: ear }\n{ user: shop, password: shop, permissions: {\n\
         publish: { deny: [\"infra.v1.evt.>\"] } } }\n] }",
    );
    let options = async_nats::ConnectOptions::with_user_and_password("ear".into(), "ear".into());
    let ear = options.connect(server.url()).await.expect("the server is there");
    let mut asked = ear.subscribe("$JS.API.STREAM.MSG.GET.KV_infra-runs").await.expect("it may listen");
    settled(&ear).await;
    let url = server.url();
    let env = Env::of([("NATS_URL", url.as_str()), ("NATS_USER", "shop"), ("NATS_PASSWORD", "shop")], "/");
    let target = Target::resolve(&env, &config::Nats::default(), Path::new("/")).expect("a target");
    let nats = Nats::new(target, "test");
    let asking = {
        let store = NatsRuns::new(nats.clone(), &"acme".parse().expect("a name"));
        tokio::spawn(async move { store.phase(&run_of(1).id, Revision(0), NOW).await })
    };
    // It is under way, and nobody answers.
    tokio::time::timeout(SOON, asked.next()).await.expect("in time").expect("a request");
    let source = "/acme/web".parse().expect("a source");
    let event = Event::new(source, "deploy.done", "staging", serde_json::json!(1)).expect("an event");
    let denied = NatsBus::new(nats).publish(&event).await.expect_err("it may not");
    assert_eq!(denied.kind(), ErrorKind::Denied, "{}", denied.report());
    let silent = asking.await.expect("it ran").expect_err("nobody answers");
    assert_eq!(silent.kind(), ErrorKind::Unavailable, "{}", silent.report());
}
