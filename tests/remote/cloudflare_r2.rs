//! Buckets of R2 and the keys for them: made as planned, beside Cloudflare's own client, and used over S3's protocol.

use std::sync::Arc;
use std::time::Duration;

use infra_sdk::aws::{Bucket, S3Ledger, S3Locks, S3State};
use infra_sdk::cloudflare::{Cloudflare, CloudflareHealth, CloudflareNeeds, R2Bucket};
use infra_sdk::config::{Jurisdiction, Location};
use infra_sdk::health::{HealthCheck, State};
use infra_sdk::state::{KeySource, KeyTemplate, Probe, SetupPlan, StateBackend, StateKey, StateStore};
use infra_sdk::{Env, Error, ErrorKind};
use serde_json::{Value, json};
use support::{Answer, CloudflareApi, Moto, Recorder, Request, Run, repo};

use crate::aws_state::put;
use crate::{ledger, state, state_locks};

fn client(api: &CloudflareApi) -> Cloudflare {
    let vars = [
        ("CLOUDFLARE_API_TOKEN", CloudflareApi::TOKEN),
        ("CLOUDFLARE_ACCOUNT_ID", CloudflareApi::ACCOUNT),
        ("CLOUDFLARE_API_BASE_URL", &api.url()),
    ];
    Cloudflare::new(&Env::of(vars, "/")).unwrap()
}

fn wanted(api: &CloudflareApi, jurisdiction: Option<Jurisdiction>, location: Option<Location>) -> R2Bucket {
    client(api).r2_bucket(CloudflareApi::ACCOUNT, "acme-state", jurisdiction, location).unwrap()
}

/// A place of states whose objects nobody asks for.
fn store(bucket: R2Bucket) -> impl StateStore {
    let nowhere = Bucket::on_r2(
        &env("http://127.0.0.1:1", &[("R2_ACCESS_KEY_ID", "i"), ("R2_SECRET_ACCESS_KEY", "s")]),
        CloudflareApi::ACCOUNT,
        "acme-state",
    )
    .unwrap();
    bucket.as_state_store(Arc::new(S3State::new(nowhere, KeyTemplate::default())))
}

fn env(r2: &str, more: &[(&str, &str)]) -> Env {
    Env::of([("R2_ENDPOINT_URL", r2)].into_iter().chain(more.iter().copied()), "/")
}

fn sound(error: &Error) {
    let shown = format!("{error:?} {error:#} {}", error.report());
    assert!(!shown.contains("canary") && error.report().to_string().contains("next: "), "{shown}");
}

async fn planned(store: &impl StateStore) -> Vec<String> {
    store.plan_setup().await.unwrap().steps.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_bucket_is_made_once_in_its_jurisdiction_or_near_its_location() {
    for (jurisdiction, location, step, lies) in [
        (Some(Jurisdiction::Eu), None, "make the bucket in the jurisdiction eu", ("eu", "ENAM")),
        (None, Some(Location::Weur), "make the bucket in weur", ("default", "WEUR")),
        (None, None, "make the bucket in the location that Cloudflare chooses", ("default", "ENAM")),
    ] {
        let api = CloudflareApi::start();
        let store = store(wanted(&api, jurisdiction, location));
        assert_eq!(planned(&store).await, [step]);
        assert!(api.take().iter().all(|request| request.method == "GET"), "a plan changes nothing");
        let plan = store.plan_setup().await.unwrap();
        store.set_up(&plan).await.unwrap();
        let made = vec![("acme-state".to_owned(), lies.0.to_owned(), lies.1.to_owned())];
        api.set(|world| assert_eq!(world.buckets, made));
        assert_eq!(planned(&store).await, [""; 0], "the next plan is empty");
        // Carried out again, as after a crash.
        store.set_up(&plan).await.unwrap();
        api.set(|world| assert_eq!(world.buckets.len(), 1));
    }
}

#[tokio::test]
async fn a_bucket_that_lies_elsewhere_is_told_and_never_made_again() {
    let api = CloudflareApi::start();
    api.set(|world| world.buckets.push(("acme-state".into(), "eu".into(), "WEUR".into())));
    for (bucket, kind, way) in [
        (wanted(&api, None, None), ErrorKind::Conflict, "jurisdiction = \"eu\""),
        (wanted(&api, Some(Jurisdiction::Fedramp), None), ErrorKind::Conflict, "jurisdiction = \"eu\""),
    ] {
        let error = store(bucket).plan_setup().await.unwrap_err();
        assert!(error.kind() == kind && error.report().to_string().contains(way), "{error:?}");
        sound(&error);
    }
    api.set(|world| world.buckets = vec![("acme-state".into(), "default".into(), "ENAM".into())]);
    let error = store(wanted(&api, Some(Jurisdiction::Eu), None)).plan_setup().await.unwrap_err();
    assert!(error.report().to_string().contains("leave `jurisdiction` out"), "{error:?}");
    sound(&error);
    assert!(api.take().iter().all(|request| request.method == "GET"));
}

#[tokio::test]
async fn a_location_that_r2_does_not_honour_is_said_and_stops_nothing() {
    let api = CloudflareApi::start();
    api.set(|world| world.puts = Some("enam"));
    let bucket = wanted(&api, None, Some(Location::Weur));
    let found = bucket.create().await.unwrap();
    assert_eq!(found.location.as_deref(), Some("ENAM"), "it is looked at after it was made");
    // Nor is it made again by the next setup, which says where it lies.
    let plan = store(bucket.clone()).plan_setup().await.unwrap();
    assert!(plan.steps.is_empty(), "{plan}");
    assert!(plan.place.starts_with("r2://acme-state (in enam,") && plan.place.contains("weur"), "{plan}");
    // Who came too late to make it is told the same.
    assert_eq!(bucket.create().await.unwrap(), found);
    assert!(bucket.mismatch(&found).is_some());
    // Where it lies as it was to, there is nothing to say.
    api.set(|world| world.buckets[0].2 = "WEUR".into());
    assert_eq!(store(bucket).plan_setup().await.unwrap().place, "r2://acme-state");
}

#[tokio::test]
async fn two_that_make_the_bucket_at_once_make_one() {
    let api = CloudflareApi::start();
    let store = store(wanted(&api, None, None));
    let plan = store.plan_setup().await.unwrap();
    api.set(|world| world.buckets.push(("acme-state".into(), "default".into(), "WEUR".into())));
    store.set_up(&plan).await.unwrap();
    // A name that is taken, and not by this account.
    api.set(|world| {
        world.buckets.clear();
        world.next = [Some(CloudflareApi::refusal(409, 10073, "Bucket name already exists."))].into();
    });
    let error = store.set_up(&plan).await.unwrap_err();
    assert!(
        error.kind() == ErrorKind::Conflict && error.report().to_string().contains("another name"),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_cloudflare_refuses_about_buckets_names_the_permission_and_the_way_out() {
    let api = CloudflareApi::start();
    for (status, code, kind, way) in [
        (403, 10000, ErrorKind::Denied, "`Workers R2 Storage: Edit`"),
        (403, 10042, ErrorKind::Denied, "switch it on"),
        (401, 10000, ErrorKind::Denied, "CLOUDFLARE_API_TOKEN"),
        (404, 7003, ErrorKind::NotFound, "CLOUDFLARE_ACCOUNT_ID"),
        (500, 10013, ErrorKind::Unavailable, "try again"),
    ] {
        let echo = format!("no: {}", CloudflareApi::TOKEN);
        api.set(|world| world.next = [Some(CloudflareApi::refusal(status, code, &echo))].into());
        let error = wanted(&api, None, None).create().await.unwrap_err();
        assert!(error.kind() == kind && error.report().to_string().contains(way), "{error:?}");
        sound(&error);
        assert_eq!(api.take().len(), 1, "a write is made once");
    }
}

/// Method and path, the query's parts, the jurisdiction, who asks, and the body.
type Asked = (String, Vec<String>, Option<String>, Option<String>, Value);

/// What two clients that ask for the same have in common.
fn same(request: &Request) -> Asked {
    let header = |name| request.header(name).map(str::to_owned);
    let mut query: Vec<String> = request.query.split('&').map(str::to_owned).collect();
    query.sort();
    (
        format!("{} {}", request.method, request.path),
        query,
        header("cf-r2-jurisdiction"),
        header("authorization"),
        request.json(),
    )
}

#[tokio::test]
async fn cloudflares_own_client_asks_the_same() {
    let node = repo().join("target/tools/node");
    assert!(node.join("node_modules/cloudflare").is_dir(), "run `cargo xtask provision`");
    let api = CloudflareApi::start();
    api.set(|world| world.zones.push(("acme.example", "active")));
    let ours = client(&api);
    // One after the other, as the script does.
    ours.verify_token(None).await.unwrap();
    api.set(|world| world.account_owned = true);
    ours.verify_token(None).await.unwrap();
    api.set(|world| world.account_owned = false);
    ours.accounts().await.unwrap();
    ours.account_named(CloudflareApi::ACCOUNT).await.unwrap();
    ours.zone("acme.example", None).await.unwrap();
    let eu = wanted(&api, Some(Jurisdiction::Eu), None);
    eu.create().await.unwrap();
    let near = ours.r2_bucket(CloudflareApi::ACCOUNT, "acme-state-near", None, Some(Location::Weur)).unwrap();
    near.create().await.unwrap();
    assert!(eu.look().await.unwrap().is_some());
    let default = wanted(&api, None, None).look().await;
    assert_eq!(default.unwrap_err().kind(), ErrorKind::Conflict);
    let sent = api.take();

    api.set(|world| world.buckets.clear());
    let theirs = Run::new(node.join("node"), &repo())
        .args([repo().join("tests/fixtures/cloudflare_health.cjs"), node])
        .args([CloudflareApi::ACCOUNT, "acme.example", "acme-state"])
        .env("CLOUDFLARE_BASE_URL", api.url())
        .env("CLOUDFLARE_API_TOKEN", CloudflareApi::TOKEN)
        .finish()
        .expect(0);
    let told: Value = serde_json::from_str(&theirs.stdout).unwrap();
    assert_eq!(told["eu"], json!(["acme-state"]));
    assert_eq!((&told["user"], &told["account"]), (&json!("active"), &json!(401)));
    let official = api.take();
    for theirs in official.iter().map(same) {
        let found = sent.iter().map(same).any(|ours| ours == theirs);
        assert!(
            found,
            "ours sends nothing like {theirs:?}\n{:#?}",
            sent.iter().map(same).collect::<Vec<_>>()
        );
    }
}

/// Cloudflare's own client, with what a token may do and the pages of a list: `node -e` PACKAGES ACCOUNT TOKEN_ID.
const OFFICIAL: &str = r#"
const { createRequire } = require("node:module");
const [packages, account_id, token] = process.argv.slice(1);
const { Cloudflare } = createRequire(packages + "/")("cloudflare");
async function main() {
  const client = new Cloudflare({ maxRetries: 0 });
  const first = await client.accounts.list({ per_page: 50 });
  const second = await first.getNextPage();
  const policies = [await client.user.tokens.get(token), await client.accounts.tokens.get(token, { account_id })];
  console.log(JSON.stringify({
    accounts: [first.result.length, second.result.length],
    policies: policies.map((held) => held.policies.length),
  }));
}
main().catch((error) => {
  console.error(error);
  process.exit(1);
});
"#;

#[tokio::test]
async fn cloudflares_own_client_reads_policies_and_further_pages_the_same() {
    let node = repo().join("target/tools/node");
    assert!(node.join("node_modules/cloudflare").is_dir(), "run `cargo xtask provision`");
    let api = CloudflareApi::start();
    let others = (1..=50).map(|n| (format!("{n:032x}"), format!("Customer {n}")));
    api.set(|world| {
        world.accounts.extend(others);
        world.zones.push(("acme.example", "active"));
    });
    assert_eq!(client(&api).accounts().await.unwrap().len(), 51);
    for owned in [false, true] {
        api.set(|world| world.account_owned = owned);
        let needs = CloudflareNeeds { zones: vec!["acme.example".into()], ..CloudflareNeeds::default() };
        let health = CloudflareHealth::new(client(&api), needs).check(Duration::ZERO).await.unwrap();
        assert_eq!(health.state(), State::Ok, "{health}");
    }
    let sent = api.take();

    let theirs = Run::new(node.join("node"), &repo())
        .args(["-e", OFFICIAL])
        .args([&node])
        .args([CloudflareApi::ACCOUNT, CloudflareApi::TOKEN_ID])
        .env("CLOUDFLARE_BASE_URL", api.url())
        .env("CLOUDFLARE_API_TOKEN", CloudflareApi::TOKEN)
        .finish()
        .expect(0);
    let told: Value = serde_json::from_str(&theirs.stdout).unwrap();
    assert_eq!(told, json!({"accounts": [50, 1], "policies": [1, 1]}));
    let official = api.take();
    assert_eq!(official.len(), 4, "{official:?}");
    for theirs in official.iter().map(same) {
        assert!(sent.iter().map(same).any(|ours| ours == theirs), "ours sends nothing like {theirs:?}");
    }
}

/// The signature that this secret makes of a request, worked out by Python's `hmac`.
fn signature(moto: &Moto, request: &Request, secret: &str) -> String {
    let auth = request.header("authorization").unwrap();
    let part = |name: &str| {
        let rest = auth.split_once(name).unwrap().1;
        rest.split([',', ' ']).next().unwrap().to_owned()
    };
    let signed = part("SignedHeaders=");
    let headers: Vec<(&str, &str)> =
        signed.split(';').map(|name| (name, request.header(name).unwrap_or_default())).collect();
    let scope = part("Credential=").split_once('/').unwrap().1.to_owned();
    let facts = json!({
        "method": request.method, "path": request.path, "query": request.query, "headers": headers, "scope": scope,
        "secret": secret, "signed": signed, "hash": request.header("x-amz-content-sha256").unwrap_or_default(),
        "time": request.header("x-amz-date").unwrap_or_default(),
    });
    let script = "import hashlib, hmac, sys\n\
        q = '&'.join(sorted(p if '=' in p else p + '=' for p in f['query'].split('&') if p))\n\
        h = ''.join(n + ':' + ' '.join(v.split()) + '\\n' for n, v in f['headers'])\n\
        canonical = '\\n'.join([f['method'], f['path'], q, h, f['signed'], f['hash']])\n\
        text = '\\n'.join(['AWS4-HMAC-SHA256', f['time'], f['scope'], hashlib.sha256(canonical.encode()).hexdigest()])\n\
        key = ('AWS4' + f['secret']).encode()\n\
        for part in f['scope'].split('/'):\n    key = hmac.new(key, part.encode(), hashlib.sha256).digest()\n\
        print(hmac.new(key, text.encode(), hashlib.sha256).hexdigest())";
    moto.python(&format!("f = json.loads({:?})\n{script}", facts.to_string()))
}

/// R2's side of S3's protocol: moto, behind a check of whose keys a request was signed with.
fn r2(moto: &Arc<Moto>) -> Arc<Recorder> {
    let moto = Arc::clone(moto);
    Arc::new(Recorder::start(move |request| {
        let auth = request.header("authorization").unwrap_or_default();
        if !auth.contains(&format!("Credential={}/", CloudflareApi::TOKEN_ID)) || !auth.contains("/auto/s3/")
        {
            return Err(format!("signed as somebody else: {auth}"));
        }
        if request.headers.iter().any(|(name, _)| name == "x-amz-sdk-checksum-algorithm") {
            return Err("a checksum that R2 does not take".into());
        }
        moto.answer(request).map_err(|error| error.to_string())
    }))
}

async fn bucket_by_token(api: &CloudflareApi, moto: &Moto, r2: &Recorder, name: &str) -> Bucket {
    crate::aws_state::bucket(moto, name).await;
    let keys = Arc::new(client(api).r2_keys(CloudflareApi::ACCOUNT).unwrap());
    // What is AWS's has no say.
    let env = env(
        &r2.url(),
        &[("AWS_ACCESS_KEY_ID", "of-aws"), ("AWS_SECRET_ACCESS_KEY", "x"), ("AWS_PROFILE", "nobody")],
    );
    Bucket::on_r2_with(&env, CloudflareApi::ACCOUNT, name, None, keys).unwrap()
}

#[tokio::test]
async fn a_token_is_enough_for_states_locks_and_the_ledger_in_r2() {
    let (api, moto) = (CloudflareApi::start(), Moto::shared());
    let r2 = r2(&moto);
    let states = bucket_by_token(&api, &moto, &r2, "r2-by-token").await;
    let states = S3State::new(states, KeyTemplate::default());
    let terraform = |key: &StateKey, bytes: &[u8]| put(&moto, &format!("r2-by-token/{key}"), bytes);
    state::holds(&states, &terraform).await;
    assert_eq!(states.probe().await.unwrap(), Probe { creates_once: true, deletes_what_was_seen: true });
    assert_eq!(api.take().len(), 1, "the keys are found once");
    let locks = bucket_by_token(&api, &moto, &r2, "r2-locks-by-token").await;
    state::locks_hold(&S3Locks::new(locks)).await;
    let ledger = bucket_by_token(&api, &moto, &r2, "r2-ledger-by-token").await;
    ledger::holds(&S3Ledger::new(ledger, &"acme".parse().unwrap())).await;
    let terraforms = bucket_by_token(&api, &moto, &r2, "r2-tflock-by-token").await;
    state_locks::hold(&S3State::new(terraforms, KeyTemplate::default())).await;

    // The secret is the one that the token's digest is, as somebody else works it out.
    let request = r2.take().into_iter().find(|request| request.method == "PUT").unwrap();
    let theirs = signature(&moto, &request, CloudflareApi::R2_SECRET);
    assert!(
        request.header("authorization").unwrap().ends_with(&format!("Signature={theirs}")),
        "{request:?}"
    );
    assert!(!format!("{states:?}").contains(CloudflareApi::R2_SECRET));
}

#[tokio::test]
async fn terraform_gets_the_derived_keys_by_its_environment_alone() {
    let (api, moto) = (CloudflareApi::start(), Moto::shared());
    let r2 = r2(&moto);
    let states = bucket_by_token(&api, &moto, &r2, "r2-settings").await;
    let key: StateKey = "acme/shop-api/staging/network/terraform.tfstate".parse().unwrap();
    let settings = S3State::new(states, KeyTemplate::default()).settings(&key).await.unwrap();
    assert_eq!(settings.credentials["AWS_ACCESS_KEY_ID"].expose(), CloudflareApi::TOKEN_ID);
    assert_eq!(settings.credentials["AWS_SECRET_ACCESS_KEY"].expose(), CloudflareApi::R2_SECRET);
    let shown = format!("{settings:?}{}", serde_json::to_string(&settings).unwrap());
    assert!(!shown.contains(CloudflareApi::R2_SECRET) && !shown.contains(CloudflareApi::TOKEN_ID), "{shown}");
}

#[tokio::test]
async fn a_token_that_is_no_good_gives_no_keys() {
    let api = CloudflareApi::start();
    for (verified, says) in [
        (json!({"status": "disabled"}), "disabled"),
        (json!({"status": "active", "expires_on": "2020-01-01T00:00:00Z"}), "expired"),
        (json!({"status": "active", "not_before": "2999-01-01T00:00:00Z"}), "not valid before"),
    ] {
        api.set(|world| world.verified = verified);
        let error = client(&api).r2_keys(CloudflareApi::ACCOUNT).unwrap().keys().await.unwrap_err();
        assert!(error.kind() == ErrorKind::Denied && error.to_string().contains(says), "{error:?}");
        sound(&error);
    }
    // One that was refused is asked for again: the next token may be better, and so may the service.
    api.set(|world| {
        world.verified = json!({"status": "active"});
        world.next = vec![Some(Answer::Whole(502, Vec::new(), String::new())); 2].into();
    });
    let keys = client(&api).r2_keys(CloudflareApi::ACCOUNT).unwrap();
    assert_eq!(keys.keys().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(keys.keys().await.unwrap().id, CloudflareApi::TOKEN_ID);
    // A wait that Cloudflare asks for is waited.
    let later = Answer::Whole(429, vec![("retry-after", "2".into())], String::new());
    api.set(|world| world.next = [Some(later)].into());
    let begun = std::time::Instant::now();
    let keys = client(&api).r2_keys(CloudflareApi::ACCOUNT).unwrap().keys().await.unwrap();
    assert!(keys.id == CloudflareApi::TOKEN_ID && begun.elapsed() >= Duration::from_secs(2));
}

#[tokio::test]
async fn a_token_for_objects_alone_is_enough_for_a_bucket_that_is_there() {
    let (api, moto) = (CloudflareApi::start(), Moto::shared());
    let r2 = r2(&moto);
    api.set(|world| world.may = vec!["Workers R2 Storage Bucket Item Write"]);
    let there = bucket_by_token(&api, &moto, &r2, "r2-objects-alone").await;
    let objects = Arc::new(S3State::new(there, KeyTemplate::default()));
    let bucket = client(&api).r2_bucket(CloudflareApi::ACCOUNT, "r2-objects-alone", None, None).unwrap();
    assert_eq!(planned(&bucket.as_state_store(objects)).await, [""; 0]);
    let keys = Arc::new(client(&api).r2_keys(CloudflareApi::ACCOUNT).unwrap());
    let gone = Bucket::on_r2_with(&env(&r2.url(), &[]), CloudflareApi::ACCOUNT, "r2-never-made", None, keys)
        .unwrap();
    let objects = Arc::new(S3State::new(gone, KeyTemplate::default()));
    let bucket = client(&api).r2_bucket(CloudflareApi::ACCOUNT, "r2-never-made", None, None).unwrap();
    let error = bucket.as_state_store(objects).plan_setup().await.unwrap_err();
    assert!(error.to_string().contains("Workers R2 Storage: Edit"), "{error:?}");
    let nothing: SetupPlan = SetupPlan { place: "r2://x".into(), steps: Vec::new() };
    store(wanted(&api, None, None)).set_up(&nothing).await.unwrap();
}
