//! What a rollout asks of Cloudflare, beside what Cloudflare's own client sends for the same.

use std::collections::BTreeSet;

use infra_sdk::config::Deploy;
use infra_sdk::deploy::{DeployTarget, rollout};
use serde_json::json;
use support::worker_fake::WorkerFake;
use support::{Request, Run, repo};

use crate::cloudflare_worker::{MANIFEST, options};
use crate::cloudflare_worker_containers::{OTHER, by_hand, described, image, of};

/// A request as Cloudflare tells it from others, whichever version it is about.
fn told(request: &Request) -> String {
    let (head, about) = request.path.rsplit_once('/').expect("a path has parts");
    let about = if head.ends_with("/versions") { "ID" } else { about };
    // A whole number is one, however it is written.
    let body = request.json().to_string().replace("100.0", "100");
    format!("{} {head}/{about}?{} {body}", request.method, request.query)
}

#[tokio::test]
async fn cloudflares_own_client_asks_for_releases_in_the_same_words() {
    let node = repo().join("target/tools/node");
    assert!(node.join("node_modules/cloudflare").is_dir(), "run `cargo xtask provision`");
    let world = described("worker-parity");
    // One that is only called alike comes first, so that the list of containers has a second page.
    let before = by_hand(&world);
    let deploy = Deploy { url: None, ..world.deploy() };
    let target = world.target_with(&deploy, &[]);
    target.status().await.unwrap();
    let target = world.with_images(&[MANIFEST, OTHER]);
    rollout(&target, &of("2", OTHER), &options(&target), &|_| {}).await.unwrap();
    let mut asked = world.fake.take();
    // The rest is wrangler's own, and whoever asks whether the Worker is well.
    asked.retain(|request| {
        request.header("user-agent").is_some_and(|agent| agent.starts_with("infra-sdk/"))
            && request.path.starts_with("/client/")
    });
    let made = |end: &str| -> Vec<&Request> {
        asked.iter().filter(|request| request.method == "POST" && request.path.ends_with(end)).collect()
    };
    let deployments: Vec<_> = made("/deployments").into_iter().map(Request::json).collect();
    let &[rolled] = &made("/rollouts")[..] else { panic!("not one rollout: {asked:#?}") };
    let rollout = rolled.json();
    assert_eq!((deployments.len(), &rollout["target_configuration"]["image"]), (3, &json!(image(OTHER))));
    let application = rolled.path.split('/').rev().nth(1).expect("the id of the container");
    let (description, configuration) = (&rollout["description"], &rollout["target_configuration"]);
    let inputs = json!({
        "version": before, "container": "shop-staging-box", "application": application,
        "deployments": deployments,
        "rollout": { "description": description, "target_configuration": configuration },
    });
    let file = world.repo.write("inputs.json", inputs.to_string());
    let theirs = Run::new(node.join("node"), world.repo.path())
        .args([repo().join("tests/fixtures/cloudflare_releases.cjs"), node])
        .args([WorkerFake::ACCOUNT, WorkerFake::SCRIPT])
        .args([file])
        .env("CLOUDFLARE_BASE_URL", world.fake.url())
        .env("CLOUDFLARE_API_TOKEN", WorkerFake::TOKEN);
    drop(theirs.finish().expect(0));
    let official: BTreeSet<String> = world.fake.take().iter().map(told).collect();
    // There is no method of theirs that lists rollouts.
    asked.retain(|request| !(request.method == "GET" && request.path.ends_with("/rollouts")));
    let ours: BTreeSet<String> = asked.iter().map(told).collect();
    assert_eq!(ours, official);
}
