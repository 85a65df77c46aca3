//! Containers of a Worker: the image goes where the version goes, and a release is healthy when every rollout has come to its end.

use std::time::Duration;

use infra_sdk::config::Deploy;
use infra_sdk::deploy::{RolloutOptions, rollback, rollout};
use infra_sdk::{Digest, ErrorKind};
use serde_json::json;
use support::worker_fake::{Course, WorkerFake};
use support::wrangler::real_wrangler;

use crate::cloudflare_worker::{MANIFEST, World, options, spec};

const OTHER: &[u8] = b"another manifest";

fn world(name: &str) -> World {
    let world = World::new(name);
    let settings = json!({
        "name": "whatever", "main": "src/index.js", "compatibility_date": "2026-11-01",
        "containers": [{ "class_name": "Box", "image": "./Dockerfile", "instance_type": "lite", "max_instances": 4 }],
        "durable_objects": { "bindings": [{ "name": "BOX", "class_name": "Box" }] },
        "migrations": [{ "tag": "v1", "new_sqlite_classes": ["Box"] }],
    });
    world.repo.write("wrangler.jsonc", settings.to_string());
    let code = "import { DurableObject } from 'cloudflare:workers';\nexport class Box extends DurableObject {}\n\
                export default { fetch() { return new Response('hi'); } };\n";
    world.repo.write("src/index.js", code);
    real_wrangler(world.repo.path());
    world
}

fn image(manifest: &[u8]) -> String {
    format!("registry.example/acme/shop/app@{}", Digest::of(manifest))
}

fn of(version: &str, manifest: &[u8]) -> infra_sdk::ReleaseSpec {
    let mut spec = spec(version);
    spec.digest = Digest::of(manifest);
    spec
}

#[tokio::test]
async fn the_image_goes_with_the_version_and_back_with_it() {
    let world = world("worker-containers");
    let target = world.with_images(&[MANIFEST, OTHER]);
    let options = options(&target);
    let first = rollout(&target, &of("1", MANIFEST), &options, &|_| {}).await.unwrap().release;
    // The first rollout makes the container with its image, so there is nothing to roll.
    assert!(world.fake.rollouts().is_empty());
    rollout(&target, &of("2", OTHER), &options, &|_| {}).await.unwrap();
    assert_eq!(world.fake.rollouts(), [(image(OTHER), "completed".into())]);
    let back = rollback(&target, None, &options, &|_| {}).await.unwrap();
    assert_eq!(back.release.id, first.id);
    assert_eq!(world.fake.rollouts()[1], (image(MANIFEST), "completed".into()));
    world.is_tidy();
}

#[tokio::test]
async fn a_rollout_that_is_taken_back_takes_the_version_back_and_says_why() {
    let world = world("worker-containers-fail");
    let target = world.with_images(&[MANIFEST, OTHER]);
    let options = options(&target);
    let first = rollout(&target, &of("1", MANIFEST), &options, &|_| {}).await.unwrap().release;
    world.fake.next(Course::Reverts(3, "the image cannot be pulled: 401"));
    let error = rollout(&target, &of("2", OTHER), &options, &|_| {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    let report = error.report().to_string();
    let says =
        "the rollout of the container Box was taken back; ImagePullError: the image cannot be pulled: 401";
    assert!(
        report.contains(says) && report.contains(&format!("serving again: 1 ({})", first.id)),
        "{report}"
    );
    assert_eq!(world.fake.serving(), [(first.id.to_string(), 100)]);

    world.fake.next(Course::Stalls);
    let short = RolloutOptions { wait: Duration::from_millis(300), ..options };
    let error = rollout(&target, &of("3", OTHER), &short, &|_| {}).await.unwrap_err();
    let says = "within 0.3 s: the rollout of the container Box is progressing: step 1 of 4, 3 of 4 instances";
    assert!(error.report().to_string().contains(says), "{error:?}");
}

#[tokio::test]
async fn an_image_that_nobody_pushed_or_that_nobody_can_pull_is_not_rolled_out() {
    let world = world("worker-containers-image");
    let target = world.target();
    let error = rollout(&target, &of("1", OTHER), &options(&target), &|_| {}).await.unwrap_err();
    assert!(
        error.kind() == ErrorKind::NotFound && error.hints()[0].contains("infra:image:push"),
        "{error:?}"
    );
    let deploy = Deploy { container: Some("Bix".into()), ..world.deploy() };
    let target = world.target_with(&deploy, &[]);
    let error = rollout(&target, &of("1", MANIFEST), &options(&target), &|_| {}).await.unwrap_err();
    assert!(
        error.to_string().contains("no container `Bix`") && error.to_string().contains("Box"),
        "{error:?}"
    );
    assert!(world.fake.versions().is_empty());
}

#[tokio::test]
async fn a_token_without_the_permission_for_containers_is_told_which() {
    let world = world("worker-containers-denied");
    let target = world.with_images(&[MANIFEST, OTHER]);
    rollout(&target, &of("1", MANIFEST), &options(&target), &|_| {}).await.unwrap();
    world.fake.fault("GET applications", WorkerFake::refusal(403, 10000, "Authentication error"));
    let error = rollout(&target, &of("2", OTHER), &options(&target), &|_| {}).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Denied, "{error:?}");
    assert!(error.report().to_string().contains("Containers: Edit"), "{error:?}");
}
