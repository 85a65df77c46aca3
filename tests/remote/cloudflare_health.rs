//! What `infra:cloudflare:test` finds out, against a stand-in that keeps tokens, accounts, zones and buckets.

use std::time::{Duration, Instant};

use infra_sdk::cloudflare::{BucketNeed, Cloudflare, CloudflareHealth, CloudflareNeeds, WorkerNeed};
use infra_sdk::config::Jurisdiction;
use infra_sdk::health::{Health, HealthCheck, Probe, State};
use infra_sdk::{Env, ErrorKind};
use serde_json::{Value, json};
use support::{Answer, CloudflareApi};

const HALF_AN_HOUR: Duration = Duration::from_secs(1800);
const OTHER: &str = "0123456789abcdef0123456789abcdef";

fn client(api: &CloudflareApi, token: &str, account: Option<&str>) -> Cloudflare {
    let url = api.url();
    let mut vars = vec![("CLOUDFLARE_API_TOKEN", token), ("CLOUDFLARE_API_BASE_URL", &url)];
    vars.extend(account.map(|account| ("CLOUDFLARE_ACCOUNT_ID", account)));
    Cloudflare::new(&Env::of(vars, "/")).unwrap()
}

async fn check_as(api: &CloudflareApi, token: &str, account: Option<&str>, needs: CloudflareNeeds) -> Health {
    let health = CloudflareHealth::new(client(api, token, account), needs).check(HALF_AN_HOUR).await.unwrap();
    let shown = format!("{health} {health:?} {} {} {}", health.nagios(), health.prometheus(), json(&health));
    assert!(!shown.contains("canary"), "{shown}");
    for probe in health.probes.iter().filter(|probe| probe.state != State::Ok) {
        assert!(!probe.hints.is_empty(), "{probe:?} has no way out");
    }
    health
}

fn json(health: &Health) -> Value {
    serde_json::to_value(health).unwrap()
}

pub(crate) async fn check(api: &CloudflareApi, needs: CloudflareNeeds) -> Health {
    check_as(api, CloudflareApi::TOKEN, Some(CloudflareApi::ACCOUNT), needs).await
}

pub(crate) fn probe<'a>(health: &'a Health, name: &str) -> &'a Probe {
    health.probe(name).unwrap_or_else(|| panic!("no {name} in {health}"))
}

fn bucket(jurisdiction: Option<Jurisdiction>) -> BucketNeed {
    BucketNeed {
        account: CloudflareApi::ACCOUNT.into(),
        name: "acme-state".into(),
        jurisdiction,
        location: None,
        why: "Terraform state".into(),
        by_token: true,
    }
}

pub(crate) fn worker(script: &str) -> WorkerNeed {
    WorkerNeed { account: None, script: script.into(), why: "the store `worker`".into(), releases: None }
}

pub(crate) fn workers(workers: &[WorkerNeed]) -> CloudflareNeeds {
    CloudflareNeeds { workers: workers.to_vec(), ..CloudflareNeeds::default() }
}

fn everything() -> CloudflareNeeds {
    CloudflareNeeds {
        zones: vec!["acme.example".into()],
        buckets: vec![bucket(None)],
        workers: vec![worker("shop-api")],
    }
}

pub(crate) fn ready() -> CloudflareApi {
    let api = CloudflareApi::start();
    api.set(|world| {
        world.zones.push(("acme.example", "active"));
        world.buckets.push(("acme-state".into(), "default".into(), "WEUR".into()));
        world.workers.push("shop-api");
    });
    api
}

#[tokio::test]
async fn what_a_repo_needs_is_asked_for_by_reading_alone_and_once() {
    let api = ready();
    let health = check(&api, everything()).await;
    assert_eq!(health.state(), State::Ok, "{health}");
    let names: Vec<&str> = health.probes.iter().map(|probe| probe.name).collect();
    assert_eq!(names, ["token", "account", "permissions", "zones", "r2", "workers"]);
    assert_eq!(probe(&health, "token").evidence, [("owner", "user".to_owned())]);
    let asked = api.take();
    assert!(asked.iter().all(|request| request.method == "GET"));
    assert_eq!(asked.len(), 6, "{asked:?}");
    assert!(health.took() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_token_of_an_account_is_told_from_one_of_a_person() {
    let api = ready();
    api.set(|world| world.account_owned = true);
    let health = check(&api, everything()).await;
    assert_eq!(health.state(), State::Ok, "{health}");
    assert_eq!(probe(&health, "token").evidence, [("owner", "account".to_owned())]);
    let asked: Vec<String> = api.take().into_iter().map(|request| request.path).collect();
    assert!(asked[0].ends_with("/user/tokens/verify") && asked[1].contains("/accounts/"), "{asked:?}");
    // What its form says it is is asked first.
    let refused = check_as(&api, "cfat_canary", Some(CloudflareApi::ACCOUNT), everything()).await;
    assert_eq!(refused.state(), State::Failed);
    assert!(api.take()[0].path.contains("/accounts/"));
    // Without an account nobody can say that it is an account's.
    let health = check_as(&api, CloudflareApi::TOKEN, None, CloudflareNeeds::default()).await;
    assert!(
        probe(&health, "token").hints.iter().any(|hint| hint.contains("CLOUDFLARE_ACCOUNT_ID")),
        "{health}"
    );
}

#[tokio::test]
async fn a_token_that_is_not_good_for_the_whole_run_is_found_out_before_it_begins() {
    let api = ready();
    let soon = |minutes: u64| {
        let time = std::time::SystemTime::now() + Duration::from_secs(60 * minutes);
        infra_sdk::time::Timestamp::from(time).to_string()
    };
    for (verified, says, state) in [
        (json!({"status": "disabled"}), "disabled", State::Failed),
        (
            json!({"status": "expired", "expires_on": "2020-01-01T00:00:00Z"}),
            "expired at 2020-01-01",
            State::Failed,
        ),
        (json!({"status": "active", "not_before": soon(60)}), "not valid before", State::Failed),
        (json!({"status": "active", "expires_on": soon(20)}), "before a run of 30 min 0 s", State::Failed),
        (json!({"status": "active", "expires_on": soon(120)}), "active, it ends in 1 h", State::Degraded),
        (json!({"status": "active", "expires_on": soon(60 * 24 * 90)}), "it ends in 89 days", State::Ok),
    ] {
        api.set(|world| world.verified = verified);
        let health = check(&api, everything()).await;
        let token = probe(&health, "token");
        assert!(token.saw.contains(says) && token.state == state, "{health}");
        if state == State::Failed {
            let skipped: Vec<&str> = health.skipped.iter().map(|skipped| skipped.name).collect();
            assert_eq!(skipped, ["account", "permissions", "zones", "r2", "workers"]);
            assert_eq!(health.require().unwrap_err().kind(), ErrorKind::Unavailable);
        }
    }
    let wrong = check_as(&api, "canary-another-token", Some(CloudflareApi::ACCOUNT), everything()).await;
    assert!(probe(&wrong, "token").saw.contains("does not accept this token"), "{wrong}");
    // A key for everything is no token, and is not sent.
    api.take();
    let key = check_as(&api, "cfk_canary", None, everything()).await;
    assert!(probe(&key, "token").saw.contains("Global API Key") && api.take().is_empty(), "{key}");
}

#[tokio::test]
async fn each_way_not_to_answer_is_told_from_the_others() {
    let page = "<!doctype html><title>Sign in</title>".to_owned();
    let html = |status| Answer::Whole(status, vec![("content-type", "text/html".into())], page.clone());
    let wait = ("retry-after", "90".to_owned());
    for (answer, says, state) in [
        (CloudflareApi::refusal(401, 1000, "Invalid API Token"), "does not accept this token", State::Failed),
        (
            CloudflareApi::refusal(400, 6003, "Invalid request headers"),
            "does not accept this token",
            State::Failed,
        ),
        (Answer::Whole(429, vec![wait], String::new()), "wait: 1 min 30 s", State::Failed),
        (CloudflareApi::refusal(503, 10013, "later"), "status: 503", State::Failed),
        (html(200), "something that is not JSON", State::Failed),
        (html(502), "text/html", State::Failed),
        (Answer::Half(200, "{\"success\": true}".into()), "ended the connection", State::Failed),
        (
            Answer::json(200, &json!({"success": true, "result": {"id": "../x", "status": "active"}})),
            "an id",
            State::Failed,
        ),
        (
            Answer::json(200, &json!({"success": true, "result": {"status": "brand new"}})),
            "shape",
            State::Failed,
        ),
    ] {
        // Another token for each: the wait that one is asked for holds all who have it.
        let api = ready();
        api.set(|world| world.next = [Some(answer.clone()), Some(answer)].into());
        let health = check(&api, everything()).await;
        assert!(probe(&health, "token").saw.contains(says), "{says}: {health}");
        assert_eq!(health.state(), state, "{health}");
    }
}

#[tokio::test]
async fn a_service_that_hangs_does_not_hold_the_check_up() {
    let api = ready();
    api.set(|world| world.next = [Some(Answer::Silence)].into());
    let begin = Instant::now();
    let health = check(&api, everything()).await;
    assert!(begin.elapsed() < Duration::from_secs(9), "{:?}", begin.elapsed());
    assert!(probe(&health, "token").saw.contains("did not answer in time"), "{health}");
    // Nobody at all.
    let vars = [("CLOUDFLARE_API_TOKEN", "canary"), ("CLOUDFLARE_API_BASE_URL", "http://127.0.0.1:1/x")];
    let nobody = CloudflareHealth::new(Cloudflare::new(&Env::of(vars, "/")).unwrap(), everything());
    let health = nobody.check(HALF_AN_HOUR).await.unwrap();
    assert!(probe(&health, "token").saw.contains("cannot be reached"), "{health}");
}

#[tokio::test]
async fn every_missing_permission_is_named_as_the_dashboard_does_with_what_needs_it() {
    let api = ready();
    api.set(|world| world.may = vec!["Workers Scripts Read", "Account Settings Read", "API Tokens Read"]);
    let health = check(&api, everything()).await;
    assert_eq!(health.state(), State::NotPermitted, "{health}");
    let saw = &probe(&health, "permissions").saw;
    for missing in [
        "missing: `Workers Scripts: Edit` for the store `worker`",
        "missing: `Workers R2 Storage: Edit` for Terraform state",
        "missing: `Zone: Read` for the zone acme.example",
    ] {
        assert!(saw.contains(missing), "{saw}");
    }
    assert_eq!(probe(&health, "r2").state, State::NotPermitted, "{health}");
    assert_eq!(health.require().unwrap_err().kind(), ErrorKind::Denied);

    // A token that may not read its own policies is told by what it may not read.
    api.set(|world| world.may = vec!["Workers Scripts Write"]);
    let health = check(&api, everything()).await;
    let permissions = probe(&health, "permissions");
    assert!(!permissions.needed && permissions.state == State::NotPermitted, "{health}");
    assert!(permissions.hints[0].contains("`API Tokens: Read`"), "{health}");
    assert_eq!(probe(&health, "workers").state, State::Ok, "{health}");
    assert!(probe(&health, "zones").hints[0].contains("`Zone: Read`"), "{health}");
    assert!(probe(&health, "r2").hints[0].contains("`Workers R2 Storage: Edit`"), "{health}");
    assert_eq!(health.state(), State::NotPermitted);

    // What others are needed for is no obstacle.
    let health =
        check(&api, CloudflareNeeds { workers: vec![worker("shop-api")], ..CloudflareNeeds::default() })
            .await;
    assert_eq!(health.state(), State::Ok, "{health}");
}

#[tokio::test]
async fn a_token_for_another_account_says_for_which() {
    let api = ready();
    let health = check_as(&api, CloudflareApi::TOKEN, Some(OTHER), everything()).await;
    let account = probe(&health, "account");
    assert!(account.saw.contains("for another account: Acme") && account.state == State::Failed, "{health}");
    // One account and none named: what deploys there would not guess it either.
    let health = check_as(&api, CloudflareApi::TOKEN, None, everything()).await;
    let account = probe(&health, "account");
    assert!(
        account.state == State::Failed && account.saw.contains("none is named for the store"),
        "{health}"
    );
    assert!(
        account.hints[0].contains(&format!("CLOUDFLARE_ACCOUNT_ID={}", CloudflareApi::ACCOUNT)),
        "{health}"
    );
    // Two accounts and none named: nobody guesses.
    api.set(|world| world.accounts.push((OTHER.into(), "Other \u{1b}[2J".into())));
    let health = check_as(&api, CloudflareApi::TOKEN, None, everything()).await;
    let account = probe(&health, "account");
    assert!(account.saw.contains("several accounts") && account.saw.contains(OTHER), "{health}");
    assert!(
        account.hints[0].contains("CLOUDFLARE_ACCOUNT_ID") && !account.saw.contains('\u{1b}'),
        "{health}"
    );
    assert!(probe(&health, "workers").saw.contains("no account is named"), "{health}");
    // Both named: each is looked at.
    let both = CloudflareNeeds {
        buckets: vec![bucket(None)],
        workers: vec![WorkerNeed { account: Some(OTHER.into()), ..worker("shop-api") }],
        ..CloudflareNeeds::default()
    };
    let health = check_as(&api, CloudflareApi::TOKEN, None, both).await;
    assert!(health.state() == State::Ok && probe(&health, "account").saw.contains("Acme"), "{health}");
}

#[tokio::test]
async fn what_is_not_there_or_somewhere_else_is_told() {
    let api = CloudflareApi::start();
    api.set(|world| {
        world.zones.push(("acme.example", "pending"));
        // On the third page of a list of names that are almost right.
        let near = ["acme-state-1", "acme-state-2", "acme-state-3", "x-acme-state"];
        world.buckets.extend(near.map(|name| (name.to_owned(), "default".to_owned(), "WEUR".to_owned())));
    });
    let health = check(&api, everything()).await;
    assert!(probe(&health, "zones").saw.contains("acme.example is pending"), "{health}");
    assert!(probe(&health, "workers").saw.contains("not deployed yet"), "{health}");
    let r2 = probe(&health, "r2");
    assert!(
        r2.saw.contains("acme-state is not there") && r2.hints[0].contains("infra:cloudflare:setup"),
        "{health}"
    );
    assert_eq!(health.state(), State::Failed);

    api.set(|world| world.buckets.push(("acme-state".into(), "eu".into(), "WEUR".into())));
    let health = check(&api, everything()).await;
    let r2 = probe(&health, "r2");
    assert!(
        r2.saw.contains("another jurisdiction") && r2.hints[0].contains("jurisdiction = \"eu\""),
        "{health}"
    );
    let eu = CloudflareNeeds { buckets: vec![bucket(Some(Jurisdiction::Eu))], ..CloudflareNeeds::default() };
    assert_eq!(check(&api, eu).await.state(), State::Ok);

    let needs = CloudflareNeeds {
        zones: vec!["missing.example".into()],
        workers: vec![worker("../../user/tokens"), worker("a b")],
        ..CloudflareNeeds::default()
    };
    let health = check(&api, needs).await;
    assert!(probe(&health, "zones").saw.contains("not shown to this token"), "{health}");
    assert!(probe(&health, "workers").saw.contains("is not the name of a Worker"), "{health}");
}

#[tokio::test]
async fn all_clients_of_a_token_keep_back_when_one_was_told_to() {
    let api = ready();
    let (one, other) = (client(&api, CloudflareApi::TOKEN, None), client(&api, CloudflareApi::TOKEN, None));
    let left = ("ratelimit", "\"default\";r=0;t=40".to_owned());
    let body =
        json!({"success": true, "result": [{"id": CloudflareApi::ACCOUNT, "name": "Acme"}]}).to_string();
    api.set(|world| world.next = [Some(Answer::Whole(200, vec![left], body))].into());
    one.accounts().await.unwrap();
    let error = other.verify_token(None).await.unwrap_err();
    let after = error.throttle().unwrap().after.unwrap();
    assert!((35..=40).contains(&after.as_secs()) && error.to_string().contains("fewer requests"), "{error}");
    assert_eq!(api.take().len(), 1, "nothing is asked before its time");
    // A check does not wait: it tells.
    let begin = Instant::now();
    let health = check(&api, everything()).await;
    assert!(health.state() == State::Failed && begin.elapsed() < Duration::from_secs(1), "{health}");
    assert!(
        client(&api, "canary-other-token", None).verify_token(None).await.unwrap_err().throttle().is_none()
    );
}

#[tokio::test]
async fn a_refusal_that_names_no_time_holds_all_clients_of_a_token_back_for_ten_seconds() {
    let api = ready();
    let (one, other) = (client(&api, CloudflareApi::TOKEN, None), client(&api, CloudflareApi::TOKEN, None));
    api.set(|world| world.next = [Some(Answer::Whole(429, Vec::new(), String::new()))].into());
    let after = |error: infra_sdk::Error| error.throttle().unwrap().after.unwrap();
    assert_eq!(after(one.accounts().await.unwrap_err()), Duration::from_secs(10));
    let left = after(other.verify_token(None).await.unwrap_err());
    assert!((5..=10).contains(&left.as_secs()), "{left:?}");
    assert_eq!(api.take().len(), 1, "nothing is asked before its time");
}

#[tokio::test]
async fn a_token_is_looked_for_in_every_account_that_it_may_belong_to() {
    let api = ready();
    api.set(|world| world.account_owned = true);
    // The first by name is another's; the token belongs to the one of the environment.
    let elsewhere = WorkerNeed { account: Some(OTHER.into()), ..worker("shop-api") };
    let health = check(&api, workers(&[elsewhere, worker("shop-api")])).await;
    assert_eq!(probe(&health, "token").evidence, [("owner", "account".to_owned())]);
    assert_eq!(probe(&health, "token").state, State::Ok, "{health}");
    assert!(probe(&health, "account").saw.contains("for another account: Acme"), "{health}");
    // What it may do is read where it belongs.
    let read = format!("/accounts/{}/tokens/{}", CloudflareApi::ACCOUNT, CloudflareApi::TOKEN_ID);
    assert!(api.take().iter().any(|request| request.path.ends_with(&read)));
}

#[tokio::test]
async fn state_with_keys_of_its_own_in_another_account_is_no_affair_of_the_token() {
    let api = ready();
    api.set(|world| (world.account_owned, world.accounts) = (true, vec![(OTHER.into(), "Other".into())]));
    let needs = CloudflareNeeds {
        buckets: vec![BucketNeed { by_token: false, ..bucket(None) }],
        workers: vec![WorkerNeed { account: Some(OTHER.into()), ..worker("shop-api") }],
        ..CloudflareNeeds::default()
    };
    for own in [None, Some(OTHER), Some(CloudflareApi::ACCOUNT)] {
        let health = check_as(&api, CloudflareApi::TOKEN, own, needs.clone()).await;
        assert_eq!(health.state(), State::Ok, "{health}");
        assert!(!probe(&health, "r2").needed, "{health}");
        assert!(probe(&health, "account").saw.starts_with("Other"), "{health}");
    }
    // With the token's own keys it is.
    let by_token = CloudflareNeeds { buckets: vec![bucket(None)], ..needs.clone() };
    let health = check_as(&api, CloudflareApi::TOKEN, None, by_token).await;
    assert_eq!(probe(&health, "account").state, State::Failed, "{health}");
    // Where that bucket is all there is, nobody asks which account is meant.
    api.set(|world| world.accounts.push(("f".repeat(32), "Third".into())));
    let alone = CloudflareNeeds { workers: Vec::new(), ..needs };
    let health = check_as(&api, CloudflareApi::TOKEN, Some(OTHER), alone).await;
    assert!(probe(&health, "account").saw.contains("needs none"), "{health}");
    assert_eq!(health.state(), State::Ok, "{health}");
}

#[tokio::test]
async fn a_zone_that_is_denied_is_no_reason_to_miss_the_permission_for_others() {
    let api = ready();
    api.set(|world| world.denied.push(("Zone Read", "com.cloudflare.api.account.zone.z9")));
    let health = check(&api, everything()).await;
    assert_eq!(health.state(), State::Ok, "{health}");
    // What is denied for the account that is meant stays missing.
    let resource = "com.cloudflare.api.account.023e105f4ecef8ad9ca31a8372d0c353";
    api.set(|world| world.denied.push(("Workers Scripts Write", resource)));
    let health = check(&api, everything()).await;
    assert!(probe(&health, "permissions").saw.contains("missing: `Workers Scripts: Edit`"), "{health}");
}

/// So many accounts, of which the last is the usual one.
fn many(api: &CloudflareApi, accounts: usize) {
    let others = (1..accounts).map(|n| (format!("{n:032x}"), format!("Customer {n}")));
    let all = others.chain([(CloudflareApi::ACCOUNT.to_owned(), "Acme".to_owned())]).collect();
    api.set(|world| world.accounts = all);
}

#[tokio::test]
async fn an_account_that_stands_on_a_later_page_is_not_taken_for_anothers() {
    let api = ready();
    // It may not read the settings of an account: only the list says which it sees.
    api.set(|world| world.may.retain(|group| *group != "Account Settings Read"));
    for (accounts, pages) in [(50, 1), (51, 2), (150, 3)] {
        many(&api, accounts);
        api.take();
        let health = check(&api, everything()).await;
        assert_eq!(probe(&health, "account").state, State::Ok, "{health}");
        let asked = api.take().into_iter().filter(|request| request.path.ends_with("/accounts")).count();
        assert_eq!(asked, pages, "of {accounts} accounts");
    }
    // Where it stands on none of them it is.
    let health =
        check_as(&api, CloudflareApi::TOKEN, Some(&"f".repeat(32)), CloudflareNeeds::default()).await;
    assert!(probe(&health, "account").saw.contains("for another account"), "{health}");
    assert!(probe(&health, "account").saw.ends_with("and 140 more"), "{health}");
    // And of more than are read nobody concludes anything.
    many(&api, 501);
    let health = check(&api, everything()).await;
    let account = probe(&health, "account");
    assert!(account.state == State::NotPermitted && !account.needed, "{health}");
    assert_eq!(health.state(), State::Ok, "{health}");
    let error = client(&api, CloudflareApi::TOKEN, None).accounts().await.unwrap_err();
    assert!(
        error.kind() == ErrorKind::Invalid && error.hints()[0].contains("CLOUDFLARE_ACCOUNT_ID"),
        "{error:?}"
    );
}
