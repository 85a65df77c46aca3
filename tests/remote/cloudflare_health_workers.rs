//! What `infra:cloudflare:test` finds out about the Worker that releases run as, and what wrangler's settings say of it.

use infra_sdk::cloudflare::{WorkerNeed, WorkerPlace};
use infra_sdk::config::Deploy;
use infra_sdk::health::State;
use serde_json::{Value, json};
use support::Scratch;

use crate::cloudflare_health::{check, probe, ready, worker, workers};

/// The Worker that releases run as, made from a folder with these settings of wrangler.
fn released(folder: &Scratch, script: &str, settings: &Value) -> WorkerNeed {
    folder.write("wrangler.jsonc", settings.to_string());
    let deploy = Deploy { service: Some(script.into()), ..Deploy::default() };
    let place =
        WorkerPlace::of(&deploy, &"shop".parse().unwrap(), &"staging".parse().unwrap(), folder.path());
    WorkerNeed { why: "releases".into(), releases: Some(place), ..worker(script) }
}

#[tokio::test]
async fn a_worker_that_the_first_rollout_makes_may_be_missing_before_and_what_else_needs_it_says_so() {
    let api = ready();
    let folder = Scratch::new("cloudflare-released");
    let released = |script| released(&folder, script, &json!({"name": "shop"}));
    let needs = workers(&[released("shop-web"), released("shop-api")]);
    let health = check(&api, needs).await;
    assert_eq!(health.state(), State::Ok, "{health}");
    let saw = &probe(&health, "workers").saw;
    assert!(
        saw.contains("shop-web, for releases, is made by the first rollout")
            && saw.contains("shop-api, for releases;"),
        "{saw}"
    );
    // Secrets have no place before there is a Worker: a rollout makes it, where that is what makes it.
    api.take();
    let health = check(&api, workers(&[worker("shop-web"), released("shop-web")])).await;
    let both = probe(&health, "workers");
    assert!(
        both.state == State::Degraded
            && both.saw.contains("for the store `worker`, releases, was not deployed"),
        "{health}"
    );
    assert!(both.hints[0].contains("roll out first"), "{health}");
    let asked = api.take().into_iter().filter(|request| request.path.ends_with("/secrets")).count();
    assert_eq!(asked, 1, "one Worker is asked for once");
    let health = check(&api, workers(&[worker("shop-web")])).await;
    assert!(probe(&health, "workers").hints[0].contains("deploy the Worker first"), "{health}");
}

#[tokio::test]
async fn containers_and_routes_of_the_worker_need_permissions_of_their_own() {
    let api = ready();
    let folder = Scratch::new("cloudflare-uses");
    let settings = json!({
        "name": "shop", "routes": [{"pattern": "shop.example.com", "custom_domain": true}],
        "containers": [{"class_name": "Box"}],
    });
    let needs = |script| workers(&[released(&folder, script, &settings)]);
    let health = check(&api, needs("shop-web")).await;
    assert_eq!(health.state(), State::Ok, "{health}");
    assert!(probe(&health, "permissions").saw.contains("`Containers: Edit`"), "{health}");

    let more = ["Workers Containers Write", "Workers Routes Write"];
    api.set(|world| world.may.retain(|group| !more.contains(group)));
    let health = check(&api, needs("shop-web")).await;
    let lacks = probe(&health, "permissions");
    assert_eq!(lacks.state, State::NotPermitted, "{health}");
    assert!(lacks.saw.contains("missing: `Containers: Edit` for the containers of shop-web"), "{health}");
    assert!(
        lacks.saw.contains("missing: `Workers Routes: Edit` for the routes of shop-web: shop.example.com"),
        "{health}"
    );
    // A Worker that is there has its routes; its containers are looked at by every rollout.
    let health = check(&api, needs("shop-api")).await;
    let lacks = probe(&health, "permissions");
    assert!(lacks.saw.contains("Containers: Edit") && !lacks.saw.contains("Routes"), "{health}");
    assert_eq!(lacks.hints.len(), 1, "{health}");
}

#[tokio::test]
async fn settings_of_wrangler_that_cannot_be_read_are_told_with_the_worker() {
    let api = ready();
    let folder = Scratch::new("cloudflare-unread");
    let need = released(&folder, "shop-api", &json!({"name": "shop"}));
    folder.write("wrangler.jsonc", "{ \"routes\": [");
    let health = check(&api, workers(&[need])).await;
    let told = probe(&health, "workers");
    assert!(told.state == State::Failed && told.saw.contains("settings cannot be read"), "{health}");
    assert_eq!(probe(&health, "permissions").state, State::Ok, "{health}");
}
