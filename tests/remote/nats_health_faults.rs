//! Health of NATS on servers that are not well, or no servers of NATS at all: what is wrong, within its time.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use infra_sdk::config;
use infra_sdk::health::{Health, State};
use infra_sdk::nats::{HealthSpec, health};
use support::{DEBIAN_NATS_SERVER, NatsServer, OLD_NATS_SERVER};

use crate::nats_health::{at, bootstrap, check, probe, with};

/// The budget, and what a busy machine may add to it.
const BUDGET: Duration = Duration::from_millis(2_700);

/// A check that has to end in time with a failed probe of that name, which says this.
async fn failing(url: &str, name: &str, says: &[&str]) -> Health {
    let began = Instant::now();
    let health = check(&at(url)).await;
    let took = began.elapsed();
    assert!(took < BUDGET, "{took:?}\n{health}");
    let probe = probe(&health, name);
    assert_eq!(
        (probe.state, health.state(), health.exit_code()),
        (State::Failed, State::Failed, 2),
        "{health}"
    );
    let told = format!("{} {}", probe.saw, probe.hints.join(" "));
    for text in says {
        assert!(told.contains(text), "{text:?} is not in\n{health}");
    }
    assert!(!probe.hints.is_empty(), "{health}");
    health
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback interface has a free port");
    listener.local_addr().expect("it is bound").port()
}

#[tokio::test]
async fn where_nothing_listens_the_connection_fails_and_the_rest_is_skipped() {
    let health =
        failing(&format!("nats://127.0.0.1:{}", free_port()), "connect", &["refused", "start the server"])
            .await;
    let skipped: Vec<&str> = health.skipped.iter().map(|skipped| skipped.name).collect();
    assert_eq!(skipped, ["server", "jetstream", "canary", "quorum", "assets"]);
    assert!(health.took() < Duration::from_secs(1), "{health}");
}

/// A way to `port` that takes so long in each direction.
fn far_way_to(port: u16, each_way: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback interface has a free port");
    let url = format!("nats://{}", listener.local_addr().expect("it is bound"));
    let carry = move |mut from: TcpStream, mut to: TcpStream| {
        let (sent, arrives) = std::sync::mpsc::channel::<(Instant, Vec<u8>)>();
        std::thread::spawn(move || {
            let mut part = vec![0; 64 * 1024];
            while let Ok(length @ 1..) = from.read(&mut part) {
                let _ = sent.send((Instant::now() + each_way, part[..length].to_vec()));
            }
        });
        std::thread::spawn(move || {
            for (due, part) in arrives {
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                if to.write_all(&part).is_err() {
                    return;
                }
            }
        });
    };
    std::thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let Ok(far) = TcpStream::connect(("127.0.0.1", port)) else { return };
            let both = (near.try_clone().expect("a socket"), far.try_clone().expect("a socket"));
            carry(near, far);
            carry(both.1, both.0);
        }
    });
    url
}

#[tokio::test]
async fn a_good_server_that_is_far_away_is_well() {
    let server = NatsServer::start();
    bootstrap(&at(&server.url())).await;
    let url = far_way_to(server.port(), Duration::from_millis(150));
    let health = check(&at(&url)).await;
    assert_eq!(health.state(), State::Ok, "{health}");
    assert!(health.took() > Duration::from_secs(3), "it was no way: {health}");
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_told_within_the_budget() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback interface has a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let held = std::thread::spawn(move || {
        // Held open until the check has ended: the preparing look, and nothing after it.
        let stream = listener.accept().map(|(stream, _)| stream);
        std::thread::sleep(Duration::from_secs(3));
        drop(stream);
    });
    failing(&format!("nats://127.0.0.1:{port}"), "connect", &["says nothing", "tls_first"]).await;
    held.join().expect("it only waits");
}

#[tokio::test]
async fn an_http_server_at_the_port_is_told_as_one() {
    let server = NatsServer::start();
    let url = server.monitoring().replace("http://", "nats://");
    failing(&url, "connect", &["speaks HTTP", "8222 is for monitoring"]).await;
}

#[tokio::test]
async fn tls_that_is_asked_of_a_plain_port_is_told_in_words() {
    let server = NatsServer::start();
    failing(&server.url().replace("nats://", "tls://"), "connect", &["without TLS", "`nats://`"]).await;
}

#[tokio::test]
async fn a_host_that_nobody_knows_is_told_within_the_budget() {
    failing("nats://nats.acme.invalid:4222", "connect", &["nats.acme.invalid"]).await;
}

#[tokio::test]
async fn a_server_that_is_too_old_is_told_by_both_versions_and_asked_nothing_more() {
    let server = NatsServer::version(OLD_NATS_SERVER);
    let health = failing(&server.url(), "server", &["2.10.26", "2.11 is needed", "update nats-server"]).await;
    assert!(health.probe("jetstream").is_none(), "{health}");
}

#[tokio::test]
async fn debian_2_9_is_told_in_words_and_not_by_answers_that_cannot_be_read() {
    let server = NatsServer::version(DEBIAN_NATS_SERVER);
    failing(&server.url(), "server", &["2.9.10", "2.11 is needed"]).await;
}

#[tokio::test]
async fn a_server_without_jetstream_fails_though_its_healthz_says_ok() {
    let server = NatsServer::start_with("");
    assert_eq!(server.monitor("/healthz?js-enabled-only=true")["status"], "ok");
    let health = failing(&server.url(), "jetstream", &["JetStream is off", "-js"]).await;
    assert!(health.probe("canary").is_none(), "{health}");
    let spec = HealthSpec { monitor: Some(server.monitoring()), ..HealthSpec::default() };
    let health = infra_sdk::nats::health(&at(&server.url()), &spec).await.expect("a report");
    assert_eq!(probe(&health, "quorum").state, State::Failed, "{health}");
}

#[tokio::test]
async fn a_domain_that_is_not_there_and_a_bucket_with_other_subjects_are_told_as_such() {
    let server = NatsServer::start();
    let nats = at(&server.url());
    bootstrap(&nats).await;
    let client = async_nats::connect(server.url()).await.expect("the server is there");
    let jetstream = async_nats::jetstream::new(client);
    jetstream.delete_stream("KV_infra-runs").await.expect("it was made");
    let config = async_nats::jetstream::stream::Config {
        name: "KV_infra-runs".into(),
        subjects: vec!["foo.>".into()],
        ..Default::default()
    };
    jetstream.create_stream(config).await.expect("it may be made");
    let health =
        failing(&server.url(), "canary", &["no stream takes $KV.infra-runs.", "infra:nats:bootstrap"]).await;
    assert!(!health.to_string().contains("JetStream is off"), "{health}");

    let elsewhere =
        config::Nats { url: Some(server.url()), domain: Some("nowhere".into()), ..config::Nats::default() };
    let health = check(&with(&elsewhere)).await;
    let jetstream = probe(&health, "jetstream");
    assert!(jetstream.state == State::Failed && jetstream.saw.contains("$JS.nowhere.API"), "{health}");
    assert!(jetstream.hints.iter().any(|hint| hint.contains("`domain`")), "{health}");
    assert!(!health.to_string().contains("JetStream is off"), "{health}");
}

#[tokio::test]
async fn a_bucket_without_room_is_told_before_a_run_meets_it() {
    let server = NatsServer::start();
    let nats = at(&server.url());
    bootstrap(&nats).await;
    let client = async_nats::connect(server.url()).await.expect("the server is there");
    let jetstream = async_nats::jetstream::new(client);
    let bucket = jetstream.get_key_value("infra-runs").await.expect("it was made");
    bucket.put("acme.filler", vec![0; 100_000].into()).await.expect("there is room");
    let resized = async |bytes: i64| {
        let mut stream = jetstream.get_stream("KV_infra-runs").await.expect("it was made");
        let config = stream.info().await.expect("it is there").config.clone();
        let config = async_nats::jetstream::stream::Config { max_bytes: bytes, ..config };
        jetstream.update_stream(config).await.expect("it may be changed");
        check(&nats).await
    };
    for (bytes, state) in [(1_000_000, State::Ok), (120_000, State::Degraded)] {
        let health = resized(bytes).await;
        let assets = probe(&health, "assets");
        let told = assets.saw.contains("bytes are used");
        assert_eq!((assets.state, told), (state, state != State::Ok), "{health}");
        assert_eq!(assets.hints.iter().any(|hint| hint.contains("`max_bytes`")), told, "{health}");
    }
}

#[tokio::test]
async fn a_cluster_without_a_majority_fails_though_its_healthz_says_ok() {
    let mut servers = NatsServer::cluster(3);
    let nats = at(&servers[0].url());
    bootstrap(&nats).await;
    let whole = check(&nats).await;
    assert_eq!(whole.state(), State::Ok, "{whole}");
    assert!(probe(&whole, "quorum").saw.contains("all of its 3 servers"), "{whole}");
    servers[1].kill();
    servers[2].kill();
    // For some seconds; then it says "unavailable".
    assert_eq!(servers[0].monitor("/healthz")["status"], "ok");
    // A process of its own, so that it looks for the servers itself.
    let spec = HealthSpec { monitor: Some(servers[0].monitoring()), ..HealthSpec::default() };
    let began = Instant::now();
    let health = health(&at(&servers[0].url()), &spec).await.expect("a report");
    let took = began.elapsed();
    assert_eq!(health.state(), State::Failed, "{health}");
    assert!(took < spec.budget + spec.canary + Duration::from_secs(1), "{took:?}\n{health}");
    // What the servers say of each other comes later: they are not heard of for some seconds.
    let began = Instant::now();
    loop {
        let health = infra_sdk::nats::health(&at(&servers[0].url()), &spec).await.expect("a report");
        assert_eq!(health.state(), State::Failed, "{health}");
        let quorum = probe(&health, "quorum");
        if quorum.state == State::Failed {
            assert!(quorum.hints[0].contains("start the servers"), "{health}");
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{health}");
    }
}

#[tokio::test]
async fn a_cluster_that_has_lost_one_of_three_is_degraded_and_can_be_used() {
    let mut servers = NatsServer::cluster(3);
    let all: Vec<String> = servers.iter().map(NatsServer::url).collect();
    bootstrap(&at(&all[0])).await;
    servers[2].kill();
    let began = Instant::now();
    // The others have to find a leader where it was the one that is gone.
    loop {
        let health = check(&at(&all.join(","))).await;
        if health.state() == State::Degraded {
            assert!(probe(&health, "connect").saw.contains("1 of 3 servers"), "{health}");
            assert_eq!(probe(&health, "canary").state, State::Ok, "{health}");
            health.require().expect("it can be used");
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{health}");
    }
}

#[tokio::test]
async fn a_disk_that_takes_nothing_more_fails() {
    let server = NatsServer::start_with("jetstream { store_dir: \"{store}\", max_file_store: 2MB }");
    let nats = at(&server.url());
    bootstrap(&nats).await;
    let client = async_nats::connect(server.url()).await.expect("the server is there");
    let jetstream = async_nats::jetstream::new(client);
    let full = |count: usize| {
        let jetstream = jetstream.clone();
        async move {
            jetstream.publish(format!("infra.v1.evt.acme.x.{count}"), vec![0; 100_000].into()).await?.await
        }
    };
    let mut count = 0;
    while full(count).await.is_ok() {
        count += 1;
        assert!(count < 100, "the store has no end");
    }
    // The rest, in small pieces.
    while jetstream
        .publish("infra.v1.evt.acme.x.rest", vec![0; 500].into())
        .await
        .expect("it is sent")
        .await
        .is_ok()
    {
        count += 1;
        assert!(count < 10_000, "the store has no end");
    }
    let health = check(&nats).await;
    let canary = probe(&health, "canary");
    assert_eq!((canary.state, health.state()), (State::Failed, State::Failed), "{health}");
    assert!(canary.hints.iter().any(|hint| hint.contains("make room")), "{health}");
}
