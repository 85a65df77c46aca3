//! Health of NATS on servers that are well: what it says, what it costs, and that it leaves nothing behind.

use std::path::Path;
use std::time::{Duration, Instant};

use async_nats::jetstream::Context;
use async_nats::jetstream::stream::Config;
use infra_sdk::config;
use infra_sdk::events::EventStore;
use infra_sdk::health::{Health, HealthCheck, Probe, State};
use infra_sdk::nats::{HealthSpec, Nats, NatsAssets, NatsCheck, Target, health};
use infra_sdk::{Env, ErrorKind};
use support::{LEAST_NATS_SERVER, NatsServer};

/// The probes in their order.
const ALL: [&str; 8] =
    ["target", "credential", "connect", "server", "jetstream", "canary", "quorum", "assets"];

/// NATS at an address, as nobody in particular.
pub(crate) fn at(url: &str) -> Nats {
    with(&config::Nats { url: Some(url.to_owned()), ..config::Nats::default() })
}

/// NATS with these settings, untouched by the machine's own.
pub(crate) fn with(settings: &config::Nats) -> Nats {
    let env = Env::of([("XDG_CONFIG_HOME", "/nowhere")], "/");
    Nats::new(Target::resolve(&env, settings, Path::new("/")).expect("the settings can be meant"), "test")
}

/// Makes the streams and the bucket that this crate keeps.
pub(crate) async fn bootstrap(nats: &Nats) {
    let assets = NatsAssets::new(nats.clone(), &config::Nats::default());
    let plan = assets.plan_setup().await.expect("the account can be looked at");
    assets.set_up(&plan).await.expect("the account takes streams");
}

/// A check with the usual settings.
pub(crate) async fn check(nats: &Nats) -> Health {
    health(nats, &HealthSpec::default()).await.expect("a bad server is a report")
}

/// A probe that was made.
pub(crate) fn probe<'a>(health: &'a Health, name: &str) -> &'a Probe {
    health.probe(name).unwrap_or_else(|| panic!("{name} was not probed:\n{health}"))
}

/// JetStream of a server, as its operator sees it.
async fn jetstream(server: &NatsServer) -> Context {
    let client = async_nats::connect(server.url()).await.expect("the server is there");
    async_nats::jetstream::new(client)
}

/// Changes the stream of events behind the back of this crate.
async fn change_events(server: &NatsServer, change: impl FnOnce(&mut Config)) -> Context {
    let jetstream = jetstream(server).await;
    let mut events = jetstream.get_stream("INFRA_EVENTS").await.expect("it was made");
    let mut config = events.info().await.expect("it is there").config.clone();
    change(&mut config);
    jetstream.update_stream(config).await.expect("it can be changed");
    jetstream
}

fn evidence<'a>(probe: &'a Probe, name: &str) -> &'a str {
    let found = probe.evidence.iter().find(|(key, _)| *key == name);
    found.map_or_else(|| panic!("{name} is not told: {probe:?}"), |(_, value)| value.as_str())
}

#[tokio::test]
async fn a_good_server_passes_all_probes_in_order_and_fast() {
    let server = NatsServer::start();
    bootstrap(&at(&server.url())).await;
    let mut best = Duration::MAX;
    for _ in 0..5 {
        // A process of its own each time, as a task is.
        let nats = at(&server.url());
        let began = Instant::now();
        let health = check(&nats).await;
        best = best.min(began.elapsed());
        assert_eq!(health.state(), State::Ok, "{health}");
        let names: Vec<&str> = health.probes.iter().map(|probe| probe.name).collect();
        assert_eq!(names, ALL);
        assert!(health.probes.iter().all(|probe| probe.hints.is_empty()), "{health}");
        assert!(evidence(probe(&health, "server"), "round trip").contains("p95"));
        assert!(probe(&health, "jetstream").saw.contains("unlimited"), "{health}");
        assert_eq!(evidence(probe(&health, "canary"), "in"), "the bucket infra-runs");
        health.require().expect("it can be used");
    }
    eprintln!("a whole check on a good server takes {best:?}");
    // 150 ms is what it is to take on a machine with nothing else to do.
    assert!(best < Duration::from_secs(1), "{best:?}");
}

#[tokio::test]
async fn the_oldest_server_that_is_supported_passes_too() {
    let server = NatsServer::version(LEAST_NATS_SERVER);
    let nats = at(&server.url());
    bootstrap(&nats).await;
    let health = check(&nats).await;
    assert_eq!(health.state(), State::Ok, "{health}");
}

#[tokio::test]
async fn a_check_costs_few_messages() {
    let server = NatsServer::start();
    let nats = at(&server.url());
    bootstrap(&nats).await;
    check(&nats).await;
    let count = || server.monitor("/varz")["in_msgs"].as_u64().expect("the server counts");
    let before = count();
    for _ in 0..10 {
        let health = check(&nats).await;
        assert_eq!(health.state(), State::Ok, "{health}");
    }
    // Each message that JetStream answers with is one of the server's own and counted apart.
    let each = (count() - before).div_ceil(10);
    eprintln!("one check costs {each} messages to the server");
    assert!(each <= 24, "{each}");
}

#[tokio::test]
async fn a_check_leaves_nothing_behind_and_touches_nothing_of_others() {
    let server = NatsServer::start();
    let nats = at(&server.url());
    bootstrap(&nats).await;
    let jetstream = jetstream(&server).await;
    let runs = jetstream.get_key_value("infra-runs").await.expect("it was made");
    let revision = runs.put("acme.r1.shop", "theirs".into()).await.expect("it takes keys");
    for _ in 0..3 {
        let health = check(&nats).await;
        assert_eq!(health.state(), State::Ok, "{health}");
    }
    let theirs = runs.entry("acme.r1.shop").await.expect("it can be read").expect("it is there");
    assert_eq!((theirs.revision, &theirs.value[..]), (revision, &b"theirs"[..]));
    let mut stream = jetstream.get_stream("KV_infra-runs").await.expect("it was made");
    // The markers of removed keys end in a second.
    let began = Instant::now();
    loop {
        let info = stream.info().await.expect("it is there");
        assert_eq!(info.state.consumer_count, 0);
        if info.state.messages == 1 {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", info.state);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let account = jetstream.query_account().await.expect("JetStream is on");
    assert_eq!((account.streams, account.consumers), (3, 0));
}

#[tokio::test]
async fn before_bootstrap_the_canary_lives_in_memory_and_the_missing_streams_are_named() {
    let server = NatsServer::start();
    let health = check(&at(&server.url())).await;
    let canary = probe(&health, "canary");
    assert_eq!(canary.state, State::Ok, "{health}");
    assert!(evidence(canary, "in").contains("memory"), "{health}");
    let assets = probe(&health, "assets");
    assert_eq!((assets.state, health.state()), (State::Failed, State::Failed));
    for name in ["INFRA_EVENTS", "INFRA_WORK", "infra-runs"] {
        assert!(assets.saw.contains(name), "{health}");
    }
    assert!(assets.hints[0].contains("infra:nats:bootstrap"), "{health}");
    let error = health.require().expect_err("nothing can be done with it yet");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let account = jetstream(&server).await.query_account().await.expect("JetStream is on");
    assert_eq!((account.streams, account.memory), (0, 0));
}

#[tokio::test]
async fn streams_that_others_changed_are_listed() {
    let server = NatsServer::start();
    let nats = at(&server.url());
    bootstrap(&nats).await;
    change_events(&server, |config| {
        config.max_age = Duration::from_secs(3600);
        config.duplicate_window = Duration::from_secs(60);
    })
    .await;
    let health = check(&nats).await;
    let assets = probe(&health, "assets");
    assert_eq!(assets.state, State::Degraded, "{health}");
    assert!(assets.saw.contains("INFRA_EVENTS") && assets.saw.contains("max_age"), "{health}");
    health.require().expect("it can be used all the same");
}

#[tokio::test]
async fn a_servers_monitoring_is_a_second_source_and_never_the_only_one() {
    let server = NatsServer::start();
    let nats = at(&server.url());
    bootstrap(&nats).await;
    let monitored = |url: String| HealthSpec { monitor: Some(url), ..HealthSpec::default() };
    let health = infra_sdk::nats::health(&nats, &monitored(server.monitoring())).await.expect("a report");
    let quorum = probe(&health, "quorum");
    assert_eq!((quorum.state, evidence(quorum, "source")), (State::Ok, server.monitoring().as_str()));
    // The port of clients does not speak HTTP: that is told, and the service is used all the same.
    let wrong = server.url().replace("nats://", "http://");
    let health = infra_sdk::nats::health(&nats, &monitored(wrong)).await.expect("a report");
    assert_eq!(health.state(), State::Ok, "{health}");
    assert!(!probe(&health, "quorum").needed, "{health}");
    let error = infra_sdk::nats::health(&nats, &monitored("https://nats:8222".into())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_check_of_a_process_that_is_connected_sees_the_server_die_and_come_back() {
    let mut server = NatsServer::start();
    let nats = at(&server.url());
    bootstrap(&nats).await;
    let asked = NatsCheck::new(nats, HealthSpec::default());
    let check = || async { asked.check(Duration::ZERO).await.expect("a report") };
    assert_eq!(check().await.state(), State::Ok);
    server.kill();
    let began = Instant::now();
    let health = check().await;
    assert_eq!(health.state(), State::Failed, "{health}");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    server.restart();
    let began = Instant::now();
    loop {
        let health = check().await;
        if health.state() == State::Ok {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{health}");
    }
}

#[tokio::test]
async fn checks_at_the_same_time_do_not_disturb_each_other() {
    let server = NatsServer::start();
    for ready in [false, true] {
        if ready {
            bootstrap(&at(&server.url())).await;
        }
        let one = || async { check(&at(&server.url())).await };
        let (a, b, c, d) = tokio::join!(one(), one(), one(), one());
        for health in [a, b, c, d] {
            assert_eq!(probe(&health, "canary").state, State::Ok, "{health}");
        }
    }
}

#[tokio::test]
async fn what_a_streams_own_metadata_calls_too_much_is_told() {
    let server = NatsServer::start();
    let nats = at(&server.url());
    bootstrap(&nats).await;
    let change = |config: &mut Config| {
        drop(config.metadata.insert("io.nats.monitor.msgs-critical".into(), "2".into()))
    };
    let jetstream = change_events(&server, change).await;
    assert_eq!(check(&nats).await.state(), State::Ok);
    for id in 0..2 {
        let sent = jetstream.publish(format!("infra.v1.evt.acme.shop.{id}"), "{}".into()).await;
        sent.expect("it is sent").await.expect("it is kept");
    }
    let health = check(&nats).await;
    let assets = probe(&health, "assets");
    assert_eq!(assets.state, State::Failed, "{health}");
    assert!(assets.saw.contains("2 msgs, and io.nats.monitor.msgs-critical is 2"), "{health}");
}

#[tokio::test]
async fn the_stream_in_memory_of_a_check_that_may_still_go_on_is_left_alone() {
    let server = NatsServer::start();
    let jetstream = jetstream(&server).await;
    let left = Config {
        name: "INFRA_HEALTH_left".into(),
        subjects: vec!["$KV.infra-health.left".into()],
        ..Default::default()
    };
    jetstream.create_stream(left).await.expect("it takes streams");
    let health = check(&at(&server.url())).await;
    assert_eq!(probe(&health, "canary").state, State::Ok, "{health}");
    // It may be that of a check which is still going on.
    jetstream.get_stream("INFRA_HEALTH_left").await.expect("it is a moment old");
}
