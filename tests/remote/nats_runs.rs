//! Runs in NATS against real servers: the contract, alone and in a cluster, and what each of JetStream's traps would do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream;
use infra_sdk::ErrorKind;
use infra_sdk::names::RepoName;
use infra_sdk::nats::NatsRuns;
use infra_sdk::runs::{
    Claim, Created, LeaseRequest, Leases, Offer, Offered, RepoState, Revision, Run, RunPhase, RunStore,
    RunView,
};
use infra_sdk::time::Timestamp;
use support::relay::{bootstrap, nats, run_of, runs, staging};
use support::{LEAST_NATS_SERVER, NatsServer};

use crate::runs as contract;

#[path = "nats_runs_queue.rs"]
mod queue;

const NOW: Duration = Duration::ZERO;
const SOON: Duration = Duration::from_secs(10);

fn name(text: &str) -> RepoName {
    text.parse().expect("a name")
}

async fn server() -> NatsServer {
    let server = NatsServer::start();
    bootstrap(&server.url()).await;
    server
}

/// The server as somebody else reaches it.
async fn outside(server: &NatsServer) -> jetstream::Context {
    jetstream::new(async_nats::connect(server.url()).await.expect("the server is there"))
}

fn request(name: &str, seconds: u64) -> LeaseRequest {
    LeaseRequest {
        name: name.into(),
        holder: "ada@laptop".into(),
        note: String::new(),
        length: Duration::from_secs(seconds),
    }
}

fn claim(agent: &str) -> RepoState {
    RepoState::Running(Claim {
        attempt: 1,
        agent: agent.into(),
        lease: agent.into(),
        since: Timestamp::now(),
        commit: None,
    })
}

fn offer_of(run: &Run, repo: &str, revision: Revision) -> Offer {
    Offer {
        run: run.id.clone(),
        env: run.env.clone(),
        repo: name(repo),
        attempt: 1,
        revision,
        task: "deploy".into(),
        again: 0,
    }
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("it is JSON")
}

async fn created(store: &dyn RunStore, count: usize) -> Run {
    let run = run_of(count);
    assert_eq!(store.create(&run).await.expect("a new run"), Created::Now);
    run
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds() {
    let server = server().await;
    let redelivery = Duration::from_secs(2);
    contract::holds(Arc::new(runs(&server.url()).redelivery(redelivery)), redelivery).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_on_the_least_server() {
    let server = NatsServer::version(LEAST_NATS_SERVER);
    bootstrap(&server.url()).await;
    let redelivery = Duration::from_secs(2);
    contract::holds(Arc::new(runs(&server.url()).redelivery(redelivery)), redelivery).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_in_a_cluster_also_for_who_asks_followers() {
    let servers = NatsServer::cluster(3);
    bootstrap(&servers[0].url()).await;
    for server in &servers {
        let redelivery = Duration::from_secs(2);
        contract::holds(Arc::new(runs(&server.url()).redelivery(redelivery)), redelivery).await;
        let closed = runs(&server.url()).recent(100).await.expect("runs");
        assert!(!closed.is_empty() && closed.iter().all(|run| run.phase.is_closed()));
        // The next server begins with an empty store again.
        let stream = outside(server).await.get_stream("KV_infra-runs").await.expect("the bucket");
        stream.purge().await.expect("purged");
    }
}

#[tokio::test]
async fn a_lease_renewed_as_the_library_renews_never_ends_and_ours_does() {
    let server = server().await;
    let store = runs(&server.url());
    let bucket = outside(&server).await.get_key_value("infra-runs").await.expect("the bucket");
    let length = Duration::from_secs(1);
    let revision = bucket.create_with_ttl("theirs", "x".into(), length).await.expect("made");
    bucket.update("theirs", "x".into(), revision).await.expect("renewed");
    let ours = store.hold(&request("agents/ours", 1)).await.expect("held");
    store.renew(&ours).await.expect("renewed");
    let begun = Instant::now();
    while !store.leases("agents/").await.expect("leases").is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(3), "a renewed lease ends");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
    // Taken again after it ended, where only the mark of its end stands, it ends again.
    store.hold(&request("agents/ours", 1)).await.expect("free");
    let begun = Instant::now();
    while !store.leases("agents/").await.expect("leases").is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(3), "a lease that was taken again ends");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let theirs = bucket.get("theirs").await.expect("it answers");
    assert!(theirs.is_some(), "the library's renewal has no end any more");
}

#[tokio::test]
async fn an_offer_that_both_acknowledge_is_claimed_by_one() {
    let server = server().await;
    let redelivery = Duration::from_secs(1);
    let (one, other) =
        (runs(&server.url()).redelivery(redelivery), runs(&server.url()).redelivery(redelivery));
    let run = created(&one, 1).await;
    let seen = one.load(&run.id).await.expect("the run").repos[0].revision;
    let seen =
        one.advance(&run.id, &name("r0"), seen, &RepoState::Ready { attempt: 1 }).await.expect("ready");
    one.offer(&offer_of(&run, "r0", seen)).await.expect("offered");
    let first = one.take(&run.env, &[name("r0")], SOON).await.expect("an offer").expect("it was made");
    let second = other.take(&run.env, &[name("r0")], SOON).await.expect("an offer").expect("given again");
    assert_eq!(first.offer, second.offer);
    // The queue says well done to both.
    one.settle(&first).await.expect("acknowledged");
    other.settle(&second).await.expect("acknowledged");
    let (repo, ours, theirs) = (name("r0"), claim("a"), claim("b"));
    let (a, b) = tokio::join!(
        one.advance(&run.id, &repo, first.offer.revision, &ours),
        other.advance(&run.id, &repo, second.offer.revision, &theirs),
    );
    assert_eq!(usize::from(a.is_ok()) + usize::from(b.is_ok()), 1, "{a:?} {b:?}");
    let lost = a.err().or(b.err()).expect("one was late");
    assert_eq!(lost.kind(), ErrorKind::Conflict);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_keeps_everything_and_who_waits_goes_on() {
    let mut server = server().await;
    let store = Arc::new(runs(&server.url()));
    let run = created(&*store, 3).await;
    let lease = store.hold(&request("agents/a", 60)).await.expect("held");
    let view = store.load(&run.id).await.expect("the run");
    let following = {
        let (store, run, since) = (store.clone(), run.id.clone(), view.revision);
        tokio::spawn(async move { store.changes(&run, since, Duration::from_secs(30)).await })
    };
    let taking = {
        let (store, env) = (store.clone(), run.env.clone());
        tokio::spawn(async move { store.take(&env, &[name("r0")], Duration::from_secs(30)).await })
    };
    let phasing = {
        let (store, run, seen) = (store.clone(), run.id.clone(), view.phase_revision);
        tokio::spawn(async move { store.phase(&run, seen, Duration::from_secs(30)).await })
    };
    server.restart();
    let other = runs(&server.url());
    assert_eq!(other.load(&run.id).await.expect("the run").repos, view.repos);
    let ready = RepoState::Ready { attempt: 1 };
    let seen = other.advance(&run.id, &name("r0"), view.repos[0].revision, &ready).await.expect("advanced");
    let changes = following.await.expect("it ran").expect("changes");
    assert_eq!((changes.repos[0].state.clone(), changes.repos[0].revision), (ready, seen));
    let offer = offer_of(&run, "r0", seen);
    assert_eq!(other.offer(&offer).await.expect("offered"), Offered::Now);
    let taken = taking.await.expect("it ran").expect("an offer").expect("in time");
    assert_eq!(taken.offer, offer);
    let mut begun = Instant::now();
    server.restart();
    if let Err(error) = store.settle(&taken).await {
        // A server that is killed soon after it gave the offer may have forgotten that: then it answers nothing to who
        // settles it, and gives it again.
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        let again = other.take(&run.env, &[name("r0")], SOON).await.expect("an offer").expect("given again");
        assert_eq!(again.offer, offer);
        other.settle(&again).await.expect("settled");
        begun = Instant::now();
    }
    assert_eq!(other.offer(&offer).await.expect("known"), Offered::Before, "also after it was killed");
    assert_eq!(other.take(&run.env, &[name("r0")], NOW).await.expect("nothing"), None);
    let lease = store.renew(&lease).await.expect("it was not long away");
    let marked = other.mark(&run.id, view.phase_revision, &RunPhase::Closed).await.expect("closed");
    assert_eq!(phasing.await.expect("it ran").expect("a phase"), (RunPhase::Closed, marked));
    assert!(store.release(&lease).await.expect("released"));
    assert!(begun.elapsed() < SOON, "who waits goes on at once: {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_lease_that_a_server_brought_back_and_does_not_end_holds_nobody_up() {
    let server = server().await;
    let store = runs(&server.url());
    let lease = store.hold(&request("agents/a", 1)).await.expect("held");
    let client = async_nats::connect(server.url()).await.expect("the server is there");
    let keys = async_nats::jetstream::new(client).get_key_value("infra-runs").await.expect("it was made");
    // As it was written, but for its end: a server that was killed may have forgotten that.
    let key = "acme.lease.agents.a";
    let kept = keys.get(key).await.expect("it can be read").expect("it is there");
    keys.put(key, kept).await.expect("it can be written");
    assert_eq!(store.leases("agents/").await.expect("a list").len(), 1, "it is held for its time");
    let taken = store.hold(&request("agents/a", 60)).await.expect_err("it is held");
    assert_eq!(taken.kind(), ErrorKind::Locked);
    let begun = Instant::now();
    while !store.leases("agents/").await.expect("a list").is_empty() {
        assert!(begun.elapsed() < SOON, "it stands for ever");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(keys.get(key).await.expect("it can be read"), None, "whoever passes over it takes it away");
    let next = store.hold(&request("agents/a", 60)).await.expect("it is free");
    assert_ne!(next.id, lease.id);
    assert_eq!(store.renew(&lease).await.expect_err("another has it").kind(), ErrorKind::Conflict);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_made_while_the_server_dies_count_once_or_not_at_all() {
    let mut server = server().await;
    let store = Arc::new(runs(&server.url()));
    let run = created(&*store, 8).await;
    let view = store.load(&run.id).await.expect("the run");
    let changing: Vec<_> = view
        .repos
        .iter()
        .map(|repo| {
            let (store, run, repo) = (store.clone(), run.id.clone(), repo.clone());
            tokio::spawn(async move {
                let (mut seen, mut made) = (repo.revision, 0);
                while made < 60 {
                    let next = RepoState::Ready { attempt: made + 1 };
                    // Sent again under the same id, a change is never found to be its own rival.
                    seen =
                        store.advance(&run, &repo.repo, seen, &next).await.expect("nobody else changes it");
                    made += 1;
                }
            })
        })
        .collect();
    for _ in 0..3 {
        server.restart();
    }
    for changing in changing {
        changing.await.expect("it ran");
    }
    let view = store.load(&run.id).await.expect("the run");
    assert!(view.repos.iter().all(|repo| repo.state == RepoState::Ready { attempt: 60 }), "{view:?}");
}

#[tokio::test]
async fn a_run_that_nobody_made_whole_keeps_its_repos_from_others_for_seconds_only() {
    let server = server().await;
    let store = runs(&server.url());
    let bucket = outside(&server).await.get_key_value("infra-runs").await.expect("the bucket");
    let half = run_of(2);
    let what = bucket.create(format!("acme.run.{}.what", half.id), json(&half).into()).await.expect("made");
    assert!(what > 0);
    let busy = serde_json::json!({ "run": half.id });
    bucket.create("acme.busy.staging.r0", json(&busy).into()).await.expect("made");
    assert_eq!(store.load(&half.id).await.expect_err("not whole").kind(), ErrorKind::NotFound);
    assert_eq!(store.recent(10).await.expect("runs"), []);

    // Whoever does it again makes it whole.
    let again = run_of(2);
    bucket.create(format!("acme.run.{}.what", again.id), json(&again).into()).await.expect("made");
    bucket
        .create("acme.busy.staging.r1", json(&serde_json::json!({ "run": again.id })).into())
        .await
        .expect("made");
    let begun = Instant::now();
    assert_eq!(store.create(&again).await.expect("made whole"), Created::Now);
    assert!(begun.elapsed() > Duration::from_secs(5), "the other is given time: {:?}", begun.elapsed());
    assert_eq!(store.load(&again.id).await.expect("the run").run, again);

    // The one that was given up never becomes a run.
    let late = store.create(&half).await.expect_err("its repos are another's");
    assert_eq!(late.kind(), ErrorKind::Conflict);
    assert!(!late.hints().is_empty());
    assert_eq!(store.recent(10).await.expect("runs").len(), 1);
}

#[tokio::test]
async fn without_its_streams_every_call_says_how_to_make_them() {
    let server = NatsServer::start();
    let store = runs(&server.url());
    let (run, begun) = (run_of(1), Instant::now());
    let errors = [
        store.create(&run).await.map(drop).expect_err("no bucket"),
        store.recent(1).await.map(drop).expect_err("no bucket"),
        store.load(&run.id).await.map(drop).expect_err("no bucket"),
        store.changes(&run.id, Revision(0), NOW).await.map(drop).expect_err("no bucket"),
        store.phase(&run.id, Revision(0), NOW).await.map(drop).expect_err("no bucket"),
        store.offer(&offer_of(&run, "r0", Revision(1))).await.map(drop).expect_err("no queue"),
        store.take(&run.env, &[name("r0")], NOW).await.map(drop).expect_err("no queue"),
        store.hold(&request("agents/a", 1)).await.map(drop).expect_err("no bucket"),
        store.leases("agents/").await.map(drop).expect_err("no bucket"),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(error.hints()[0].contains("cargo xtask infra:nats:bootstrap"), "{error:?}");
        assert!(error.to_string().contains("NATS lacks"), "{error:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    let off = NatsServer::start_with("");
    let error = runs(&off.url()).recent(1).await.expect_err("JetStream is off");
    assert!(error.report().to_string().contains("-js"), "{error:?}");
}

#[tokio::test]
async fn a_full_bucket_and_a_full_queue_refuse_and_lose_nothing() {
    let server = server().await;
    let store = runs(&server.url());
    let run = created(&store, 2).await;
    let view = store.load(&run.id).await.expect("the run");
    let context = outside(&server).await;
    let limit = async |stream: &str, bytes: i64| {
        let mut config = context.get_stream(stream).await.expect("a stream").cached_info().config.clone();
        config.max_bytes = bytes;
        context.update_stream(config).await.expect("limited");
    };
    let used = context.get_stream("KV_infra-runs").await.expect("the bucket").cached_info().state.bytes;
    limit("KV_infra-runs", i64::try_from(used).expect("a small bucket")).await;
    let full = store.hold(&LeaseRequest { note: "x".repeat(2_000), ..request("agents/a", 60) }).await;
    let full = full.map(drop).expect_err("no room");
    assert!(full.kind() == ErrorKind::Unavailable && !full.hints().is_empty(), "{full:?}");
    assert_eq!(store.load(&run.id).await.expect("the run").repos, view.repos, "nothing is lost");
    limit("KV_infra-runs", -1).await;
    drop(store.hold(&request("agents/a", 60)).await.expect("room again"));

    limit("INFRA_WORK", 400).await;
    store.offer(&offer_of(&run, "r0", Revision(7))).await.expect("the first finds room");
    let full = store.offer(&offer_of(&run, "r1", Revision(8))).await.expect_err("no room");
    assert!(full.report().to_string().contains("limit"), "{full:?}");
    let taken = store.take(&run.env, &[name("r0")], SOON).await.expect("an offer").expect("it was made");
    store.settle(&taken).await.expect("settled");
    assert_eq!(store.offer(&offer_of(&run, "r1", Revision(8))).await.expect("room again"), Offered::Now);
}

#[tokio::test]
async fn what_others_put_into_the_queue_or_the_bucket_is_told_or_thrown_away() {
    let server = server().await;
    let store = runs(&server.url());
    let run = created(&store, 2).await;
    let client = async_nats::connect(server.url()).await.expect("the server is there");
    let context = jetstream::new(client);
    for junk in ["", "hello", "{\"run\":1}"] {
        let ack = context.publish("infra.v1.work.acme.r0.staging", junk.into()).await.expect("sent");
        ack.await.expect("kept");
    }
    let offer = offer_of(&run, "r0", Revision(7));
    store.offer(&offer).await.expect("offered");
    let taken = store.take(&run.env, &[name("r0")], SOON).await.expect("an offer").expect("it was made");
    assert_eq!(taken.offer, offer);
    store.settle(&taken).await.expect("settled");
    let mut queue = context.get_stream("INFRA_WORK").await.expect("the queue");
    assert_eq!(queue.info().await.expect("told").state.messages, 0, "what is no offer is thrown away");

    let bucket = context.get_key_value("infra-runs").await.expect("the bucket");
    let key = format!("acme.run.{}.repo.r1", run.id);
    bucket.put(&key, "{\"state\":\"of another version\"}".into()).await.expect("put");
    let error = store.load(&run.id).await.expect_err("it cannot be read");
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains(&key), "{error:?}");
    assert!(!error.hints().is_empty());
}

#[tokio::test]
async fn organisations_of_one_account_do_not_see_each_other() {
    let server = server().await;
    let acme = runs(&server.url());
    let other = NatsRuns::new(nats(&server.url()), &"acme-2".parse().expect("a name"));
    let run = created(&acme, 1).await;
    assert_eq!(other.recent(10).await.expect("runs"), []);
    assert_eq!(other.load(&run.id).await.expect_err("not theirs").kind(), ErrorKind::NotFound);
    assert_eq!(other.create(&run).await.expect("a run of their own"), Created::Now);
    acme.offer(&offer_of(&run, "r0", Revision(7))).await.expect("offered");
    assert_eq!(other.take(&staging(), &[name("r0")], NOW).await.expect("nothing"), None);
    drop(acme.hold(&request("agents/a", 60)).await.expect("held"));
    drop(other.hold(&request("agents/a", 60)).await.expect("another name"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_of_more_repos_than_one_answer_holds_is_read_whole() {
    let server = server().await;
    let store = runs(&server.url());
    let run = created(&store, 1_200).await;
    let view = store.load(&run.id).await.expect("the run");
    assert_eq!((view.repos.len(), view.run == run), (1_200, true));
    let from_start = store.changes(&run.id, Revision(0), NOW).await.expect("changes");
    assert_eq!(from_start.repos.len(), 1_200);
    assert_eq!(store.create(&run).await.expect("known"), Created::Before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_that_is_taken_while_many_repos_change_leads_to_the_truth() {
    let server = server().await;
    let store = runs(&server.url());
    let run = created(&store, 1_000).await;
    // They are read by name, five hundred with one request: what is written here first is read first, too.
    let mut first = store.load(&run.id).await.expect("the run").repos;
    first.sort_by_key(|repo| repo.repo.to_string());
    let second = first.split_off(500);
    let ready = RepoState::Ready { attempt: 1 };
    let writing = {
        let (store, run, ready) = (runs(&server.url()), run.id.clone(), ready.clone());
        tokio::spawn(async move {
            for (one, other) in first.iter().zip(&second) {
                for repo in [one, other] {
                    let written = store.advance(&run, &repo.repo, repo.revision, &ready).await;
                    assert!(written.is_ok(), "nobody else changes it: {written:?}");
                }
            }
        })
    };
    let mut views = Vec::new();
    while !writing.is_finished() {
        views.push(store.load(&run.id).await.expect("the run"));
    }
    writing.await.expect("it ran");
    let truth = store.load(&run.id).await.expect("the run").repos;
    assert!(truth.iter().all(|repo| repo.state == ready));
    let waiting = |view: &RunView| view.repos.iter().filter(|repo| repo.state != ready).count();
    assert!(views.iter().any(|view| (1..1_000).contains(&waiting(view))), "none was taken meanwhile");
    for mut view in views {
        let changes = store.changes(&run.id, view.revision, NOW).await.expect("changes");
        view.take_in(changes);
        assert_eq!(waiting(&view), 0, "a change is lost for who goes on from {:?}", view.revision);
        assert!(view.repos == truth, "what followed is what is there");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_closed_runs_are_forgotten_and_open_ones_never() {
    let server = server().await;
    let store = runs(&server.url());
    let kept = created(&store, 1).await;
    for at in 0..260 {
        let mut run = run_of(2);
        run.repos.remove(0);
        assert_eq!(store.create(&run).await.expect("a new run"), Created::Now, "{at}");
        let view = store.load(&run.id).await.expect("the run");
        store.mark(&run.id, view.phase_revision, &RunPhase::Closed).await.expect("closed");
    }
    let left = store.recent(1_000).await.expect("runs");
    assert!(left.len() <= 251 && left.len() >= 200, "{}", left.len());
    assert_eq!(left.last().map(|run| &run.id), Some(&kept.id), "the oldest is open, so it stays");
    assert_eq!(store.load(&kept.id).await.expect("the run").run, kept);
}
