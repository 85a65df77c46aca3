//! Making streams and buckets ready on real servers, and through a product's command line.

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use infra_sdk::ErrorKind;
use infra_sdk::config;
use infra_sdk::events::{AssetsPlan, EventStore};
use infra_sdk::nats::{Nats, NatsAssets};
use serde_json::{Value, json};
use support::{Finished, NatsServer, Run, Scratch};

use crate::nats_events::{jetstream, nats_at, nats_with, patiently};

const EVENTS: &str = "INFRA_EVENTS";
const RUNS: &str = "KV_infra-runs";

fn assets(nats: &Nats, replicas: Option<u8>) -> NatsAssets {
    NatsAssets::new(nats.clone(), &config::Nats { ledger: true, replicas, ..config::Nats::default() })
}

async fn set_up(assets: &NatsAssets) -> AssetsPlan {
    let plan = patiently(async || {
        let plan = assets.plan_setup().await?;
        assets.set_up(&plan).await.map(|()| plan)
    })
    .await;
    let next = patiently(async || assets.plan_setup().await).await;
    assert_eq!(next.steps, [], "the next plan has no steps");
    plan
}

/// The settings of a stream, as the server tells them.
async fn config_of(server: &NatsServer, stream: &str) -> Value {
    let jetstream = jetstream(&server.url()).await;
    let info: Value = jetstream.request(format!("STREAM.INFO.{stream}"), &()).await.unwrap();
    info["config"].clone()
}

#[tokio::test]
async fn everything_is_made_once_and_as_it_should_be() {
    let server = NatsServer::start();
    let assets = assets(&nats_at(&server.url()), None);
    let plan = assets.plan_setup().await.unwrap();
    let labels: Vec<&str> = plan.steps.iter().map(|step| step.asset.as_str()).collect();
    assert_eq!(
        labels,
        ["stream INFRA_EVENTS", "stream INFRA_WORK", "bucket infra-runs", "stream INFRA_LEDGER"]
    );
    assert!(plan.steps.iter().all(|step| step.create), "{plan}");
    assert!(plan.to_string().contains("max_age: 30days"), "{plan}");
    assert_eq!(server.monitor("/jsz")["streams"], 0, "a plan changes nothing");
    set_up(&assets).await;
    // By two at once, too.
    let (one, two) = tokio::join!(assets.set_up(&plan), assets.set_up(&plan));
    one.and(two).unwrap();
    let month = json!(30_u64 * 24 * 3600 * 1_000_000_000);
    let events = config_of(&server, EVENTS).await;
    assert_eq!((&events["max_age"], &events["duplicate_window"]), (&month, &month));
    assert_eq!((&events["discard"], &events["num_replicas"]), (&json!("old"), &json!(1)));
    let runs = config_of(&server, RUNS).await;
    assert_eq!((&runs["allow_msg_ttl"], &runs["deny_delete"]), (&json!(true), &json!(true)));
    let ledger = config_of(&server, "INFRA_LEDGER").await;
    assert_eq!((&ledger["deny_purge"], &ledger["max_age"]), (&json!(true), &json!(0)));
    let work = config_of(&server, "INFRA_WORK").await;
    assert_eq!((&work["retention"], &work["max_msgs_per_subject"]), (&json!("workqueue"), &json!(1)));
    // The client library takes the bucket for one.
    jetstream(&server.url()).await.get_key_value("infra-runs").await.unwrap();
}

#[tokio::test]
async fn the_oldest_server_that_will_do_gets_everything() {
    let server = NatsServer::version(support::LEAST_NATS_SERVER);
    set_up(&assets(&nats_at(&server.url()), None)).await;
}

#[tokio::test]
async fn a_server_that_is_too_old_is_told_before_anything_is_made() {
    let server = NatsServer::version(support::OLD_NATS_SERVER);
    let error = assets(&nats_at(&server.url()), None).plan_setup().await.unwrap_err();
    assert!(error.report().to_string().contains("2.11 or later"), "{}", error.report());
}

#[tokio::test]
async fn what_differs_is_corrected_and_what_others_set_stays() {
    let server = NatsServer::start();
    let assets = assets(&nats_at(&server.url()), None);
    set_up(&assets).await;
    let jetstream = jetstream(&server.url()).await;
    let mut config: Config = jetstream.get_stream(EVENTS).await.unwrap().cached_info().config.clone();
    config.max_age = std::time::Duration::from_secs(3600);
    config.duplicate_window = std::time::Duration::from_secs(60);
    config.max_bytes = 1 << 30;
    config.description = Some("ours".into());
    config.metadata.insert("team".into(), "platform".into());
    config.subjects.push("shop.events.>".into());
    config.compression = Some(async_nats::jetstream::stream::Compression::S2);
    jetstream.update_stream(config).await.unwrap();
    let plan = set_up(&assets).await;
    assert_eq!(plan.steps.len(), 1, "{plan}");
    assert!(plan.to_string().contains("~ stream INFRA_EVENTS"), "{plan}");
    assert!(plan.to_string().contains("max_age: 1h -> 30days"), "{plan}");
    let config = config_of(&server, EVENTS).await;
    assert_eq!((&config["max_bytes"], &config["description"]), (&json!(1 << 30), &json!("ours")));
    assert_eq!((&config["metadata"]["team"], &config["compression"]), (&json!("platform"), &json!("s2")));
    assert_eq!(config["subjects"], json!(["infra.v1.evt.>", "shop.events.>"]));
}

#[tokio::test]
async fn a_queue_that_kept_every_offer_is_corrected_in_place_and_keeps_the_newest() {
    for version in [None, Some(support::LEAST_NATS_SERVER)] {
        let server = version.map_or_else(NatsServer::start, NatsServer::version);
        let jetstream = jetstream(&server.url()).await;
        let config = Config {
            name: "INFRA_WORK".into(),
            subjects: vec!["infra.v1.work.>".into()],
            retention: RetentionPolicy::WorkQueue,
            discard: DiscardPolicy::New,
            ..Config::default()
        };
        jetstream.create_stream(config).await.unwrap();
        let subject = "infra.v1.work.acme.shop.staging";
        for at in 0..5 {
            jetstream.publish(subject, at.to_string().into()).await.unwrap().await.unwrap();
        }
        let plan = set_up(&assets(&nats_at(&server.url()), None)).await;
        assert!(plan.to_string().contains("~ stream INFRA_WORK"), "{plan}");
        assert!(plan.to_string().contains("max_msgs_per_subject: -1 -> 1"), "{plan}");
        // A server may leave the old ones until the next comes.
        jetstream.publish(subject, "newest".into()).await.unwrap().await.unwrap();
        let queue = jetstream.get_stream("INFRA_WORK").await.unwrap();
        assert_eq!(queue.cached_info().state.messages, 1);
        let kept = queue.get_last_raw_message_by_subject(subject).await.unwrap();
        assert_eq!(kept.payload, "newest");
    }
}

#[tokio::test]
async fn what_cannot_be_changed_is_told_and_never_made_anew() {
    let server = NatsServer::start();
    let jetstream = jetstream(&server.url()).await;
    jetstream
        .create_stream(Config {
            name: EVENTS.into(),
            subjects: vec!["infra.v1.evt.>".into()],
            storage: StorageType::Memory,
            ..Config::default()
        })
        .await
        .unwrap();
    jetstream.publish("infra.v1.evt.a", "kept".into()).await.unwrap().await.unwrap();
    let assets = assets(&nats_at(&server.url()), None);
    let plan = set_up(&assets).await;
    assert_eq!(plan.obstacles.len(), 1, "{plan}");
    assert!(plan.to_string().contains("its storage is memory and should be file"), "{plan}");
    let error = assets.plan_setup().await.unwrap().require_unobstructed().unwrap_err();
    assert!(error.report().to_string().contains("backup"), "{}", error.report());
    let info: Value = jetstream.request(format!("STREAM.INFO.{EVENTS}"), &()).await.unwrap();
    assert_eq!((&info["config"]["storage"], &info["state"]["messages"]), (&json!("memory"), &json!(1)));
    assert_eq!(info["config"]["allow_direct"], true, "what can be corrected is");
}

#[tokio::test]
async fn a_plan_that_was_overtaken_is_refused() {
    let server = NatsServer::start();
    let assets = assets(&nats_at(&server.url()), None);
    let plan = assets.plan_setup().await.unwrap();
    let jetstream = jetstream(&server.url()).await;
    let own = Config { name: EVENTS.into(), subjects: vec!["infra.v1.evt.>".into()], ..Config::default() };
    jetstream.create_stream(own).await.unwrap();
    let error = assets.set_up(&plan).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{}", error.report());
}

#[tokio::test]
async fn a_stream_of_others_on_our_subjects_is_told() {
    let server = NatsServer::start();
    let jetstream = jetstream(&server.url()).await;
    let theirs = Config { name: "ALL".into(), subjects: vec!["infra.>".into()], ..Config::default() };
    jetstream.create_stream(theirs).await.unwrap();
    let assets = assets(&nats_at(&server.url()), None);
    let plan = assets.plan_setup().await.unwrap();
    let error = assets.set_up(&plan).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{}", error.report());
    assert!(error.report().to_string().contains("another stream"), "{}", error.report());
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_cluster_three_servers_keep_everything_unless_a_number_is_named() {
    let servers = NatsServer::cluster(3);
    let nats = nats_at(&servers[0].url());
    set_up(&assets(&nats, Some(1))).await;
    assert_eq!(config_of(&servers[0], EVENTS).await["num_replicas"], 1);
    let plan = set_up(&assets(&nats, None)).await;
    assert!(plan.to_string().contains("num_replicas: 1 -> 3"), "{plan}");
    assert_eq!(config_of(&servers[0], RUNS).await["num_replicas"], 3);
}

#[tokio::test]
async fn more_copies_than_servers_are_told() {
    let server = NatsServer::start();
    let assets = assets(&nats_at(&server.url()), Some(3));
    let plan = assets.plan_setup().await.unwrap();
    let error = assets.set_up(&plan).await.unwrap_err();
    assert!(error.report().to_string().contains("replicas = 1"), "{}", error.report());
}

/// The assets as a user of an account with limits, or with permissions.
fn as_user(server: &NatsServer, scratch: &Scratch, creds: &str) -> NatsAssets {
    let file = scratch.join("creds");
    std::fs::write(&file, creds).unwrap();
    let nats = nats_with(config::Nats {
        url: Some(server.url()),
        creds: Some(file.display().to_string()),
        ..config::Nats::default()
    });
    assets(&nats, None)
}

#[tokio::test]
async fn limits_of_an_account_are_told_before_and_when_they_are_met() {
    let limits = json!({ "streams": 2, "consumer": -1, "mem_storage": -1, "disk_storage": -1 });
    let (server, account) = NatsServer::operator(&limits);
    let scratch = Scratch::new("nats-limits");
    let assets = as_user(&server, &scratch, &account.user("admin"));
    let plan = assets.plan_setup().await.unwrap();
    assert!(plan.to_string().contains("4 streams are to be made, and its limit leaves room for 2"), "{plan}");
    let error = assets.set_up(&plan).await.unwrap_err();
    assert!(error.report().to_string().contains("leaves room for 2"), "{}", error.report());
    assert_eq!(assets.plan_setup().await.unwrap(), plan, "nothing is begun where not everything finds room");
}

#[tokio::test]
async fn an_account_that_wants_sizes_gets_them() {
    let limits = json!({
        "streams": -1, "consumer": -1, "mem_storage": -1, "disk_storage": 5_000_000_000_u64,
        "max_bytes_required": true,
    });
    let (server, account) = NatsServer::operator(&limits);
    let scratch = Scratch::new("nats-sizes");
    let plan = set_up(&as_user(&server, &scratch, &account.user("admin"))).await;
    assert!(plan.to_string().contains("max_bytes: 536870912"), "{plan}");
    let options = async_nats::ConnectOptions::with_credentials(&account.user("ada")).unwrap();
    let jetstream = async_nats::jetstream::new(options.connect(server.url()).await.unwrap());
    let info: Value = jetstream.request(format!("STREAM.INFO.{EVENTS}"), &()).await.unwrap();
    assert_eq!(info["config"]["max_bytes"], 536_870_912);
}

#[tokio::test]
async fn storage_that_does_not_suffice_is_told_before_anything_is_made() {
    let limits = json!({
        "streams": -1, "consumer": -1, "mem_storage": -1, "disk_storage": 190_000_000, "max_bytes_required": true,
    });
    let (server, account) = NatsServer::operator(&limits);
    let scratch = Scratch::new("nats-storage");
    let assets = as_user(&server, &scratch, &account.user("admin"));
    let plan = assets.plan_setup().await.unwrap();
    assert!(plan.to_string().contains("its limit of storage leaves 190000000"), "{plan}");
    assets.set_up(&plan).await.unwrap_err();
    assert_eq!(assets.plan_setup().await.unwrap(), plan);
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let limits = json!({ "streams": -1, "consumer": -1, "mem_storage": -1, "disk_storage": -1 });
    let (server, account) = NatsServer::operator(&limits);
    let scratch = Scratch::new("nats-denied");
    let permissions = json!({ "pub": { "deny": ["$JS.API.STREAM.CREATE.>"] } });
    let assets = as_user(&server, &scratch, &account.user_with("reader", &permissions, None));
    let plan = assets.plan_setup().await.unwrap();
    let error = assets.set_up(&plan).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{}", error.report());
    assert!(
        error.report().to_string().contains("publish $JS.API.STREAM.CREATE.INFRA_EVENTS"),
        "{}",
        error.report()
    );
}

#[tokio::test]
async fn what_was_done_before_a_failure_is_told_and_done_once() {
    let limits = json!({ "streams": -1, "consumer": -1, "mem_storage": -1, "disk_storage": -1 });
    let (server, account) = NatsServer::operator(&limits);
    let scratch = Scratch::new("nats-half");
    let permissions = json!({ "pub": { "deny": ["$JS.API.STREAM.CREATE.INFRA_WORK"] } });
    let half = as_user(&server, &scratch, &account.user_with("half", &permissions, None));
    let plan = half.plan_setup().await.unwrap();
    let told = half.set_up(&plan).await.unwrap_err().report().to_string();
    assert!(told.contains("set right before: stream INFRA_EVENTS"), "{told}");
    let rest = set_up(&as_user(&server, &scratch, &account.user("admin"))).await;
    assert_eq!(rest.steps.len() + 1, plan.steps.len(), "{rest}");
}

/// A product whose environment names a NATS.
struct Product {
    scratch: Scratch,
}

impl Product {
    fn new(env: &str) -> Self {
        let scratch = Scratch::new("nats-product");
        scratch.write(
            "shop/infra.toml",
            format!(
                "[project]\nname = \"shop-api\"\nkind = \"api\"\norg = \"acme\"\n[env.local]\n{env}\n\
                 [env.staging]\nprovider = \"local\"\n{env}\n"
            ),
        );
        Product { scratch }
    }

    fn command(&self, args: &[&str]) -> Run {
        Run::new(env!("CARGO_BIN_EXE_product"), &self.scratch.join("shop"))
            .env("INFRA_HOME", self.scratch.join("home"))
            .env("USER", "ada")
            .args(args)
    }

    fn run(&self, args: &[&str], code: i32) -> Finished {
        self.command(args).finish().expect(code)
    }

    fn json(&self, args: &[&str]) -> Value {
        let args: Vec<&str> = args.iter().copied().chain(["--output", "json"]).collect();
        serde_json::from_str(&self.run(&args, 0).stdout).unwrap()
    }
}

#[test]
fn a_product_makes_nats_ready_tells_and_hears() {
    let server = NatsServer::start();
    let product = Product::new(&format!("nats = {{ url = \"{}\", ledger = true }}", server.url()));
    let missing = product.run(&["infra:nats:publish", "shop.opened"], 5);
    missing.says(&["INFRA_EVENTS", "infra:nats:bootstrap"]);
    let planned = product.run(&["infra:nats:bootstrap", "--dry-run"], 0);
    assert!(planned.stdout.contains("+ stream INFRA_EVENTS"), "{}", planned.stdout);
    assert_eq!(server.monitor("/jsz")["streams"], 0);
    product.run(&["infra:nats:bootstrap"], 0);
    let again = product.run(&["infra:nats:bootstrap"], 0);
    assert!(again.stdout.contains("is as it should be"), "{}", again.stdout);
    let noted = product.run(&["infra:ledger:show"], 0);
    assert!(noted.stdout.contains("nats.bootstrap"), "{}", noted.stdout);

    let dry = product.run(&["--dry-run", "infra:nats:publish", "shop.opened"], 0);
    assert!(dry.stdout.contains("would publish /acme/shop-api local shop.opened"), "{}", dry.stdout);
    let args = ["infra:nats:publish", "shop.opened", "--data", "{\"door\": 2}", "--id", "monday"];
    assert_eq!(product.json(&args)["published"], "now");
    assert_eq!(product.json(&args)["published"], "before");
    product.run(&["infra:nats:publish", "shop.closed", "--subject", "staging"], 0);
    let heard = product.json(&["infra:nats:watch", "--since", "start", "--count", "2"]);
    assert_eq!((&heard[0]["type"], &heard[0]["data"]["door"]), (&json!("shop.opened"), &json!(2)));
    assert_eq!((&heard[1]["type"], &heard[1]["subject"]), (&json!("shop.closed"), &json!("staging")));
    let args = [
        "infra:nats:watch",
        "--since",
        "1h",
        "--type",
        "shop.closed",
        "--source",
        "shop-api",
        "--count",
        "1",
    ];
    let line = product.run(&args, 0).stdout;
    assert!(line.trim_end().ends_with("/acme/shop-api staging shop.closed"), "{line}");
    product.run(&["infra:ledger:verify"], 0);
}

#[test]
fn bad_data_is_told_before_anything_is_published() {
    let server = NatsServer::start();
    let connections = || server.monitor("/varz")["total_connections"].clone();
    let before = connections();
    let product = Product::new(&format!("nats = {{ url = \"{}\" }}", server.url()));
    product.run(&["infra:nats:publish", "x", "--data", "{no"], 4).says(&["not JSON", "1:2"]);
    let large = format!("\"{}\"", "x".repeat(100_000));
    product
        .run(&["infra:nats:publish", "x", "--subject", "no such!", "--data", &large], 4)
        .says(&["no such!"]);
    product.run(&["infra:nats:publish", ""], 4).says(&["a type"]);
    product.run(&["infra:nats:publish", "shop opened"], 4).says(&["shop opened", "use a word such as"]);
    product.run(&["infra:nats:watch", "--type", "shop opened"], 4).says(&["use a word such as"]);
    product.run(&["infra:nats:watch", "--since", "yesterday"], 4).says(&["yesterday", "2h"]);
    assert_eq!(connections(), before, "nobody was asked");
}

#[test]
fn without_nats_events_are_a_file_and_there_is_nothing_to_make_ready() {
    let product = Product::new("");
    product.run(&["infra:nats:publish", "shop.opened"], 0);
    let heard = product.json(&["infra:nats:watch", "--since", "start", "--count", "1"]);
    assert_eq!(heard["type"], "shop.opened");
    product.run(&["infra:nats:bootstrap"], 4).says(&["names no NATS", "nats = {"]);
}

#[test]
fn permissions_are_shown_as_a_server_and_as_a_jwt_have_them() {
    let product = Product::new("nats = { url = \"nats://127.0.0.1:1\" }");
    let shown = product.run(&["--env", "staging", "infra:nats:access"], 0).stdout;
    assert!(
        shown.contains("permissions: {") && shown.contains("\"infra.v1.evt.acme.shop-api.>\""),
        "{shown}"
    );
    let other = product.json(&["infra:nats:access", "web.app"]);
    assert_eq!(other["pub"]["allow"][0], "infra.v1.evt.acme.web=2Eapp.>");
}

#[cfg(unix)]
#[test]
fn watching_ends_with_an_interrupt_and_shows_what_it_heard_until_then() {
    use std::process::Stdio;
    use std::time::{Duration, Instant};

    let server = NatsServer::start();
    let product = Product::new(&format!("nats = {{ url = \"{}\" }}", server.url()));
    product.run(&["infra:nats:bootstrap"], 0);
    let (out, err) = (product.scratch.write("out", ""), product.scratch.write("err", ""));
    let file = |path| Stdio::from(std::fs::OpenOptions::new().append(true).open(path).unwrap());
    #[expect(clippy::disallowed_types, reason = "it must be met while it runs")]
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_product"));
    command.args(["infra:nats:watch"]).current_dir(product.scratch.join("shop"));
    command.env("INFRA_HOME", product.scratch.join("home")).env_remove("CI").env_remove("GITHUB_ACTIONS");
    let mut watching = command.stdin(Stdio::null()).stdout(file(&out)).stderr(file(&err)).spawn().unwrap();
    // What "from now on" is, is known to the watcher alone: so it is told until it has heard.
    let begun = Instant::now();
    while !std::fs::read_to_string(&out).unwrap().contains("shop.opened") {
        assert!(begun.elapsed() < Duration::from_secs(60), "{}", std::fs::read_to_string(&err).unwrap());
        product.run(&["infra:nats:publish", "shop.opened"], 0);
    }
    Run::new("kill", std::path::Path::new("/"))
        .args(["-INT", &watching.id().to_string()])
        .finish()
        .expect(0)
        .says(&[]);
    assert_eq!(watching.wait().unwrap().code(), Some(130));
    let said = std::fs::read_to_string(&err).unwrap();
    assert!(!said.contains("because") && !said.contains("panicked"), "{said}");
}
