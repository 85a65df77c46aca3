//! What a repository's user may do: enough to publish and to read, and nothing of another repository.

use std::sync::Arc;
use std::time::{Duration, Instant};

use infra_sdk::config;
use infra_sdk::events::{Access, Event, EventBus, EventStore, Permissions, Query, Start, subscribe};
use infra_sdk::health::State;
use infra_sdk::ledger::{Ledger, Outcome, Record, verify};
use infra_sdk::nats::{HealthSpec, Nats, NatsAssets, NatsBus, NatsLedger, NatsRuns};
use infra_sdk::runs::RunStore;
use infra_sdk::{Error, ErrorKind};
use serde_json::{Value, json};
use support::{NatsServer, Scratch};

use crate::nats_events::{bootstrap, nats_at, nats_with};
use crate::runs;

fn event(repo: &str) -> Event {
    Event::new(format!("/acme/{repo}").parse().unwrap(), "deploy.done", "staging", json!(1)).unwrap()
}

/// What the user of `/acme/shop` needs.
fn permissions(nats: &Nats, access: Access) -> Permissions {
    let settings = config::Nats { ledger: true, ..config::Nats::default() };
    NatsAssets::new(nats.clone(), &settings).permissions(&"/acme/shop".parse().unwrap(), access).unwrap()
}

/// Everything that the user of a repository does.
async fn suffices(server: &NatsServer, nats: &Nats) {
    let bus = Arc::new(NatsBus::new(nats.clone()));
    let from_now = Query { from: Start::Newest, ..Query::first(0) };
    let mut following = subscribe::<Value>(bus.clone(), from_now).await.unwrap();
    let heard = tokio::spawn(async move { following.next().await.map(|heard| heard.1.kind) });
    // It listens, and has looked at what is there, before it is told anything.
    let begun = Instant::now();
    while !server.monitor("/subsz?subs=1&limit=1000").to_string().contains("\"infra.v1.evt.>\"") {
        assert!(begun.elapsed() < Duration::from_secs(10), "it listens to nothing");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let told = Instant::now();
    bus.publish(&event("shop")).await.unwrap();
    assert_eq!(heard.await.unwrap().unwrap(), "deploy.done");
    assert!(told.elapsed() < Duration::from_secs(1), "it is woken up, and looks not only now and then");
    assert_eq!(bus.read(&Query::first(10)).await.unwrap().events.len(), 1);
    let since = Query { from: Start::Since("2020-01-01T00:00:00Z".parse().unwrap()), ..Query::first(10) };
    assert_eq!(bus.read(&since).await.unwrap().events.len(), 1);
    let ledger = NatsLedger::new(nats.clone(), &"acme".parse().unwrap());
    let record = Record::new(
        "ada",
        "staging".parse().unwrap(),
        "shop".parse().unwrap(),
        "deploy",
        "app",
        Outcome::Done,
    );
    ledger.append(record).await.unwrap();
    assert_eq!(verify(&ledger, None).await.unwrap().entries, 1);
}

fn is_denied(error: &Error, subject: &str, begun: Instant) {
    let told = error.report().to_string();
    assert_eq!(error.kind(), ErrorKind::Denied, "{told}");
    assert!(told.contains(subject), "{told}");
    assert!(begun.elapsed() < Duration::from_secs(3), "not as a timeout: {:?}", begun.elapsed());
}

/// What the user of a repository must not do.
async fn is_confined(nats: &Nats) {
    speaks_for_itself_alone(nats).await;
    let begun = Instant::now();
    let assets = NatsAssets::new(nats.clone(), &config::Nats::default());
    let error = assets.plan_setup().await.unwrap_err();
    is_denied(&error, "publish $JS.API.STREAM.INFO.INFRA_WORK", begun);
    // After a denial the connection goes on.
    NatsBus::new(nats.clone()).read(&Query::first(1)).await.unwrap();
}

async fn speaks_for_itself_alone(nats: &Nats) {
    let begun = Instant::now();
    let error = NatsBus::new(nats.clone()).publish(&event("web")).await.unwrap_err();
    is_denied(&error, "publish infra.v1.evt.acme.web.staging.deploy.done", begun);
}

#[tokio::test]
async fn the_permissions_of_a_repo_suffice_and_confine_it_in_a_servers_configuration() {
    let nowhere = nats_at("nats://127.0.0.1:1");
    let block = permissions(&nowhere, Access::Events).to_string();
    let server = served_to(&block);
    let as_user = |user: &str| nats_at_as(&server, user);
    bootstrap(&as_user("admin")).await;
    suffices(&server, &as_user("shop")).await;
    is_confined(&as_user("shop")).await;
    let begun = Instant::now();
    let store = NatsRuns::new(as_user("shop"), &"acme".parse().unwrap());
    let error = store.create(&support::relay::run_of(1)).await.unwrap_err();
    is_denied(&error, "publish $JS.API.STREAM.MSG.GET.KV_infra-runs", begun);
}

/// A server with a user who may do everything, and `shop`, who has these permissions.
fn served_to(block: &str) -> NatsServer {
    NatsServer::start_with(&format!(
        "jetstream {{ store_dir: \"{{store}}\" }}\naccounts {{ A {{ jetstream: enabled, users: [\n\
         {{ user: admin, password: admin }}\n{{ user: shop, password: shop\n{block}\n}}\n] }} }}"
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_permissions_for_deploys_suffice_for_all_that_runs_do_and_confine_all_the_same() {
    let block = permissions(&nats_at("nats://127.0.0.1:1"), Access::Deploys).to_string();
    let server = served_to(&block);
    bootstrap(&nats_at_as(&server, "admin")).await;
    suffices(&server, &nats_at_as(&server, "shop")).await;
    speaks_for_itself_alone(&nats_at_as(&server, "shop")).await;
    // Who may deploy is tried on all of it, and not on an event alone.
    let spec =
        HealthSpec { source: Some("/acme/shop".parse().unwrap()), ledger: true, ..HealthSpec::default() };
    let health = infra_sdk::nats::health(&nats_at_as(&server, "shop"), &spec).await.unwrap();
    assert_eq!(health.state(), State::Ok, "{health}");
    assert!(health.to_string().contains("written, compared and set, read, consumed"), "{health}");
    let redelivery = Duration::from_secs(2);
    let of =
        |org: &str| NatsRuns::new(nats_at_as(&server, "shop"), &org.parse().unwrap()).redelivery(redelivery);
    runs::holds(Arc::new(of("acme")), redelivery).await;
    let begun = Instant::now();
    let error = of("others").create(&support::relay::run_of(1)).await.unwrap_err();
    is_denied(&error, "$KV.infra-runs.others.", begun);
}

/// As a user whose password is their name: an address with both comes from a variable alone.
fn nats_at_as(server: &NatsServer, user: &str) -> Nats {
    use infra_sdk::Env;
    use infra_sdk::nats::Target;
    let env =
        Env::of([("NATS_URL", server.url().as_str()), ("NATS_USER", user), ("NATS_PASSWORD", user)], "/");
    let target = Target::resolve(&env, &config::Nats::default(), std::path::Path::new("/")).unwrap();
    Nats::new(target, "test")
}

#[tokio::test]
async fn the_permissions_of_a_repo_suffice_and_confine_it_in_a_jwt() {
    let limits = json!({ "streams": -1, "consumer": -1, "mem_storage": -1, "disk_storage": -1 });
    let (server, account) = NatsServer::operator(&limits);
    let scratch = Scratch::new("nats-users");
    let as_user = |name: &str, creds: String| {
        let file = scratch.join(name);
        std::fs::write(&file, creds).unwrap();
        nats_with(config::Nats {
            url: Some(server.url()),
            creds: Some(file.display().to_string()),
            ..config::Nats::default()
        })
    };
    bootstrap(&as_user("admin", account.user("admin"))).await;
    let allowed = serde_json::to_value(permissions(&nats_at(&server.url()), Access::Events)).unwrap();
    let shop = as_user("shop", account.user_with("shop", &allowed, None));
    suffices(&server, &shop).await;
    is_confined(&shop).await;
}
