//! Health of NATS for users who may do less, or no longer: what is missing is named, and never taken for silence.

use std::time::{Duration, Instant};

use infra_sdk::config;
use infra_sdk::events::{Access, EventStore, Source};
use infra_sdk::health::{Health, State};
use infra_sdk::nats::{HealthSpec, Nats, NatsAssets, health};
use serde_json::{Value, json};
use support::{NatsAccount, NatsServer, Scratch};

use crate::nats_health::{bootstrap, check, probe, with};

/// An account that may use as much as it likes.
fn plenty() -> Value {
    json!({ "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1 })
}

struct World {
    server: NatsServer,
    account: NatsAccount,
    scratch: Scratch,
}

impl World {
    fn with(limits: &Value) -> Self {
        let (server, account) = NatsServer::operator(limits);
        World { server, account, scratch: Scratch::new("nats-users") }
    }

    async fn ready() -> Self {
        let world = World::with(&plenty());
        bootstrap(&world.as_user(&world.account.user("admin"))).await;
        world
    }

    fn as_user(&self, creds: &str) -> Nats {
        self.as_user_with(creds, config::Nats::default())
    }

    fn as_user_with(&self, creds: &str, settings: config::Nats) -> Nats {
        let id = infra_sdk::id::short().expect("the system has randomness");
        let file = self.scratch.write(&format!("{id}.creds"), creds);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(&file, mode).expect("it is ours");
        }
        with(&config::Nats {
            url: Some(self.server.url()),
            creds: Some(file.display().to_string()),
            ..settings
        })
    }

    /// A user who may not publish to these.
    fn without(&self, subjects: &[&str]) -> Nats {
        self.as_user(&self.account.user_with("less", &json!({ "pub": { "deny": subjects } }), None))
    }
}

/// Nothing of a credential's secret half is in a report, in any of its forms.
fn shows_no_seed(health: &Health) {
    let forms = [health.to_string(), health.nagios(), health.prometheus(), json!(health).to_string()];
    for text in forms {
        let seed = text
            .split(|c: char| !c.is_ascii_alphanumeric())
            .find(|word| word.len() == 58 && word.starts_with("SU"));
        assert!(seed.is_none() && !text.contains("eyJ"), "{text}");
    }
}

#[tokio::test]
async fn a_user_of_an_account_is_named_with_what_is_permitted() {
    let world = World::ready().await;
    let health = check(&world.as_user(&world.account.user_with("ada", &json!({}), Some(86_400)))).await;
    assert_eq!(health.state(), State::Ok, "{health}");
    let text = health.to_string();
    for told in ["user: ada", &world.account.public_key(), "may publish: everything", "good for 23 h"] {
        assert!(text.contains(told), "{told} is not in\n{text}");
    }
    shows_no_seed(&health);
}

#[tokio::test]
async fn without_permission_for_jetstream_the_subject_is_named_at_once() {
    let world = World::ready().await;
    let began = Instant::now();
    let health = check(&world.without(&["$JS.API.>"])).await;
    let jetstream = probe(&health, "jetstream");
    assert_eq!(
        (jetstream.state, health.state(), health.exit_code()),
        (State::NotPermitted, State::NotPermitted, 3),
        "{health}"
    );
    assert!(jetstream.saw.contains("needs permission to publish $JS.API.INFO"), "{health}");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test]
async fn without_permission_to_hear_answers_the_inbox_is_named_at_once_also_for_later_checks() {
    let world = World::ready().await;
    let deaf = json!({ "sub": { "allow": ["mine.>"] } });
    let nats = world.as_user(&world.account.user_with("deaf", &deaf, None));
    for _ in 0..2 {
        let began = Instant::now();
        let health = check(&nats).await;
        let server = probe(&health, "server");
        assert_eq!((server.state, health.state()), (State::NotPermitted, State::NotPermitted), "{health}");
        assert!(server.saw.contains("subscribe _INBOX.>"), "{health}");
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    }
    // An inbox of its own is enough.
    let own = config::Nats { inbox_prefix: Some("mine".into()), ..config::Nats::default() };
    let health = check(&world.as_user_with(&world.account.user_with("own", &deaf, None), own)).await;
    assert_eq!(health.state(), State::Ok, "{health}");
}

#[tokio::test]
async fn every_step_of_the_canary_names_the_permission_it_lacks() {
    let world = World::ready().await;
    for denied in [
        "$KV.infra-runs.>",
        "$JS.API.STREAM.MSG.GET.KV_infra-runs",
        "$JS.API.CONSUMER.CREATE.>",
        "$JS.API.CONSUMER.MSG.NEXT.>",
        "$JS.ACK.>",
        "$JS.API.CONSUMER.DELETE.>",
    ] {
        let health = check(&world.without(&[denied])).await;
        let canary = probe(&health, "canary");
        assert_eq!(canary.state, State::NotPermitted, "{denied}\n{health}");
        let prefix = format!("publish {}", denied.trim_end_matches('>'));
        assert!(canary.saw.contains(&prefix), "{denied}\n{health}");
    }
}

#[tokio::test]
async fn the_credentials_of_a_repo_that_only_tells_events_are_enough() {
    let world = World::ready().await;
    let admin = world.as_user(&world.account.user("admin"));
    let source: Source = "/acme/shop.api".parse().expect("it is a source");
    let permissions = NatsAssets::new(admin, &config::Nats::default())
        .permissions(&source, Access::Events)
        .expect("NATS is named");
    let nats = world.as_user(&world.account.user_with("shop", &json!(permissions), None));
    let own = HealthSpec { source: Some(source), ..HealthSpec::default() };
    let health = infra_sdk::nats::health(&nats, &own).await.expect("a report");
    assert_eq!(health.state(), State::Ok, "{health}");
    assert!(probe(&health, "canary").saw.contains("events of this repo"), "{health}");
    // Another repo's are not.
    let other =
        HealthSpec { source: Some("/acme/web".parse().expect("it is a source")), ..HealthSpec::default() };
    let health = infra_sdk::nats::health(&nats, &other).await.expect("a report");
    let canary = probe(&health, "canary");
    assert_eq!(canary.state, State::NotPermitted, "{health}");
    assert!(canary.saw.contains("publish infra.v1.evt.acme.web.health"), "{health}");
    let client = world.as_user(&world.account.user("admin"));
    let health = check(&client).await;
    assert!(probe(&health, "assets").state == State::Ok, "{health}");
}

#[tokio::test]
async fn a_ledger_that_would_take_no_entry_is_told_where_it_is_kept_here() {
    let world = World::with(&plenty());
    let settings = config::Nats { ledger: true, ..config::Nats::default() };
    let admin = world.as_user(&world.account.user("admin"));
    let assets = NatsAssets::new(admin.clone(), &settings);
    assets.set_up(&assets.plan_setup().await.expect("a plan")).await.expect("they are made");
    let spec = HealthSpec {
        source: Some("/acme/shop".parse().expect("it is a source")),
        ledger: true,
        ..HealthSpec::default()
    };
    let check = async |nats: &Nats| infra_sdk::nats::health(nats, &spec).await.expect("a report");
    assert_eq!(check(&admin).await.state(), State::Ok);

    let unsaid = check(&world.without(&["infra.v1.ledger.>"])).await;
    let canary = probe(&unsaid, "canary");
    assert_eq!((canary.state, unsaid.state()), (State::NotPermitted, State::NotPermitted), "{unsaid}");
    assert!(canary.saw.contains("publish infra.v1.ledger.acme"), "{unsaid}");
    let unseen = check(&world.without(&["$JS.API.STREAM.INFO.INFRA_LEDGER"])).await;
    assert_eq!(probe(&unseen, "assets").state, State::NotPermitted, "{unseen}");

    let permissions = assets.permissions(spec.source.as_ref().expect("it is there"), Access::Events);
    let permissions = permissions.expect("they are known");
    let teller =
        json!({ "pub": { "allow": permissions.publish }, "sub": { "allow": permissions.subscribe } });
    let teller = check(&world.as_user(&world.account.user_with("teller", &teller, None))).await;
    assert_eq!(teller.state(), State::Ok, "{teller}");
    assert!(probe(&teller, "canary").saw.contains("events and entries of the ledger"), "{teller}");

    let creds = world.account.user("resizer");
    let options = async_nats::ConnectOptions::with_credentials(&creds).expect("they are good");
    let jetstream =
        async_nats::jetstream::new(options.connect(world.server.url()).await.expect("the server is there"));
    let mut stream = jetstream.get_stream("INFRA_LEDGER").await.expect("it was made");
    let config = stream.info().await.expect("it is there").config.clone();
    let config = async_nats::jetstream::stream::Config { max_bytes: 900, ..config };
    jetstream.update_stream(config).await.expect("it may be changed");
    let full = check(&admin).await;
    let assets = probe(&full, "assets");
    assert_eq!((assets.state, full.state()), (State::Failed, State::Failed), "{full}");
    assert!(assets.saw.contains("stream INFRA_LEDGER: 0 % of its 900 bytes"), "{full}");
}

#[tokio::test]
async fn what_is_not_permitted_is_named_so_that_allowing_it_helps() {
    let world = World::ready().await;
    for denied in ["$JS.API.CONSUMER.CREATE.>", "$JS.ACK.>", "$JS.API.CONSUMER.MSG.NEXT.>"] {
        let health = check(&world.without(&[denied])).await;
        let canary = probe(&health, "canary");
        assert_eq!(canary.state, State::NotPermitted, "{health}");
        let hint = canary.hints.iter().find_map(|hint| hint.split_once(": publish ")).expect("it names it").1;
        let allowed = json!({ "pub": { "allow": [
            hint, "$SYS.REQ.USER.INFO", "$KV.infra-runs.>", "infra.v1.evt.>", "$JS.API.INFO", "$JS.API.STREAM.>",
            if denied.starts_with("$JS.ACK") { "$JS.API.CONSUMER.>" } else { "$JS.ACK.>" },
            if denied.contains("CREATE") { "$JS.API.CONSUMER.MSG.>" } else { "$JS.API.CONSUMER.CREATE.>" },
            "$JS.API.CONSUMER.DELETE.>",
        ] } });
        let health = check(&world.as_user(&world.account.user_with("more", &allowed, None))).await;
        assert_eq!(probe(&health, "canary").state, State::Ok, "{hint}\n{health}");
    }
}

#[tokio::test]
async fn a_user_who_has_ended_or_will_before_the_run_does_is_told_before_anything_is_asked() {
    let world = World::ready().await;
    let ended = check(&world.as_user(&world.account.user_with("old", &json!({}), Some(-60)))).await;
    assert_eq!(probe(&ended, "credential").state, State::Failed, "{ended}");
    assert!(probe(&ended, "credential").saw.contains("ended 1 min"), "{ended}");
    // The server says so as well.
    assert_eq!(probe(&ended, "connect").state, State::Failed, "{ended}");
    assert!(probe(&ended, "connect").saw.contains("refuses who asks"), "{ended}");
    shows_no_seed(&ended);
    let brief = world.as_user(&world.account.user_with("brief", &json!({}), Some(600)));
    let run =
        |minutes: u64| HealthSpec { planned: Duration::from_secs(60 * minutes), ..HealthSpec::default() };
    let long = health(&brief, &run(30)).await.expect("a report");
    assert_eq!((probe(&long, "credential").state, long.state()), (State::Failed, State::Failed), "{long}");
    assert!(probe(&long, "credential").saw.contains("before a run of 30 min"), "{long}");
    assert_eq!(probe(&long, "canary").state, State::Ok, "{long}");
    let short = health(&brief, &run(5)).await.expect("a report");
    assert_eq!(short.state(), State::Ok, "{short}");
}

#[tokio::test]
async fn a_user_of_an_account_that_the_server_does_not_know_is_refused() {
    let world = World::ready().await;
    let (stranger, _) = NatsAccount::with(&plenty());
    let began = Instant::now();
    let health = check(&world.as_user(&stranger.user("stranger"))).await;
    let connect = probe(&health, "connect");
    assert_eq!(connect.state, State::Failed, "{health}");
    assert!(connect.saw.contains("refuses who asks"), "{health}");
    let says = "correct the credentials that `nats` gives in infra.toml";
    assert!(connect.hints.iter().any(|hint| hint.contains(says)), "{health}");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let nobody = with(&config::Nats { url: Some(world.server.url()), ..config::Nats::default() });
    let health = check(&nobody).await;
    let connect = probe(&health, "connect");
    assert!(connect.saw.contains("refuses who asks"), "{health}");
    assert!(connect.hints.iter().any(|hint| hint.contains("NATS_CREDS")), "{health}");
}

#[tokio::test]
async fn an_account_whose_streams_are_used_up_is_told_with_how_many_are_missing() {
    let world = World::with(&json!({ "mem_storage": -1, "disk_storage": -1, "streams": 1, "consumer": -1 }));
    let admin = world.as_user(&world.account.user("admin"));
    let creds = world.account.user("theirs");
    let options = async_nats::ConnectOptions::with_credentials(&creds).expect("they are good");
    let client = options.connect(world.server.url()).await.expect("the server is there");
    let theirs = async_nats::jetstream::stream::Config { name: "THEIRS".into(), ..Default::default() };
    async_nats::jetstream::new(client).create_stream(theirs).await.expect("one is allowed");
    let health = check(&admin).await;
    assert_eq!(probe(&health, "jetstream").state, State::Degraded, "{health}");
    assert!(probe(&health, "jetstream").saw.contains("streams 1 of 1"), "{health}");
    let canary = probe(&health, "canary");
    assert_eq!(canary.state, State::Failed, "{health}");
    assert!(canary.saw.contains("maximum number of streams"), "{health}");
    assert!(probe(&health, "assets").hints.iter().any(|hint| hint.contains("room for 0")), "{health}");
}

#[tokio::test]
async fn an_account_without_jetstream_is_told_as_such() {
    let world = World::with(&json!({ "mem_storage": 0, "disk_storage": 0, "streams": 0, "consumer": 0 }));
    let health = check(&world.as_user(&world.account.user("ada"))).await;
    let jetstream = probe(&health, "jetstream");
    assert_eq!(jetstream.state, State::Failed, "{health}");
    assert!(jetstream.hints[0].contains("enable it for the account"), "{health}");
}
