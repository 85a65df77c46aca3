//! Containers of a Worker: the image goes where the version goes, and a release is healthy when every rollout has come to its end.

use std::sync::Mutex;
use std::time::Duration;

use infra_sdk::config::Deploy;
use infra_sdk::deploy::{DeployTarget, Progress, RolloutOptions, rollback, rollout};
use infra_sdk::{Digest, ErrorKind};
use serde_json::json;
use support::worker_fake::{Course, WorkerFake};
use support::wrangler::real_wrangler;

use crate::cloudflare_worker::{MANIFEST, World, options, spec};

pub(crate) const OTHER: &[u8] = b"another manifest";
const BY_HAND: &[u8] = b"a manifest by hand";

/// A Worker with a container, uploaded by the real wrangler.
fn world(name: &str) -> World {
    let world = described(name);
    real_wrangler(world.repo.path());
    world
}

/// The same with the stand-in, which makes no container: where the Worker is there already.
pub(crate) fn described(name: &str) -> World {
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
    world
}

/// What somebody deployed by hand: a version that says nothing of itself, and its container; the version's id.
pub(crate) fn by_hand(world: &World) -> String {
    let id = world.fake.exists();
    // Another one that is only called alike comes first.
    world.fake.contain("shop-staging-box-of-before", &image(b"of before"));
    world.fake.contain("shop-staging-box", &image(BY_HAND));
    id
}

pub(crate) fn image(manifest: &[u8]) -> String {
    format!("registry.example/acme/shop/app@{}", Digest::of(manifest))
}

pub(crate) fn of(version: &str, manifest: &[u8]) -> infra_sdk::ReleaseSpec {
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
    // One that may only read them, too.
    for request in ["GET applications", "POST rollouts"] {
        world.fake.fault(request, WorkerFake::refusal(403, 10000, "Authentication error"));
        let error = rollout(&target, &of("2", OTHER), &options(&target), &|_| {}).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Denied, "{request}: {error:?}");
        let report = error.report().to_string();
        assert!(
            report.contains("Containers: Edit") && !report.contains("Workers Scripts"),
            "{request}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_release_that_fails_gives_the_container_back_the_image_it_had_with_a_version_made_by_hand() {
    let world = described("worker-containers-by-hand");
    let theirs = by_hand(&world);
    let target = world.with_images(&[MANIFEST, OTHER]);
    let options = options(&target);
    let broken = of("1", OTHER).env("BROKEN", "yes");
    let error = rollout(&target, &broken, &options, &|_| {}).await.unwrap_err();
    let report = error.report().to_string();
    assert!(report.contains("/healthz answered 500") && report.contains("serving again: 0.9 ("), "{report}");
    let done = |manifest: &[u8]| (image(manifest), "completed".to_owned());
    assert_eq!(world.fake.rollouts(), [done(OTHER), done(BY_HAND)]);
    assert_eq!(world.fake.serving(), [(theirs.clone(), 100)]);
    // It is known later, too, and to another program: after a release that was good, and after one that was killed.
    rollout(&target, &of("2", MANIFEST), &options, &|_| {}).await.unwrap();
    let target = world.with_images(&[MANIFEST, OTHER]);
    let back = rollback(&target, None, &options, &|_| {}).await.unwrap();
    assert_eq!((back.release.id.as_str(), world.fake.rollouts().last()), (&*theirs, Some(&done(BY_HAND))));
    let killed = target.prepare(&of("3", OTHER), "ada", false).await.unwrap();
    target.activate(&killed.id).await.unwrap();
    let back = rollback(&world.with_images(&[MANIFEST]), None, &options, &|_| {}).await.unwrap();
    assert_eq!((back.release.id.as_str(), world.fake.rollouts().last()), (&*theirs, Some(&done(BY_HAND))));
}

#[tokio::test]
async fn a_release_that_fails_gives_the_container_back_the_image_of_the_release_that_a_secret_was_added_to() {
    let world = described("worker-containers-patched");
    by_hand(&world);
    let target = world.with_images(&[MANIFEST, OTHER]);
    rollout(&target, &of("1", MANIFEST), &options(&target), &|_| {}).await.unwrap();
    let patched = world.fake.upload();
    world.fake.deploy(&patched);
    let broken = of("2", OTHER).env("BROKEN", "yes");
    rollout(&target, &broken, &options(&target), &|_| {}).await.unwrap_err();
    assert_eq!(world.fake.rollouts().last(), Some(&(image(MANIFEST), "completed".into())));
    assert_eq!(world.fake.serving(), [(patched, 100)]);
}

#[tokio::test]
async fn the_last_step_is_not_over_while_the_rollout_of_the_container_has_only_begun() {
    let world = described("worker-containers-steps");
    by_hand(&world);
    let target = world.with_images(&[MANIFEST, OTHER]);
    rollout(&target, &of("1", MANIFEST), &options(&target), &|_| {}).await.unwrap();
    let steps =
        RolloutOptions { steps: vec![10, 100], step_wait: Duration::from_millis(5), ..options(&target) };
    // The look after the last step still shows the one before it.
    world.fake.late(1);
    world.fake.next(Course::Completes(3));
    let told = Mutex::new(Vec::new());
    let note = |step: Progress| told.lock().unwrap().push(step.to_string());
    rollout(&target, &of("2", OTHER), &steps, &note).await.unwrap();
    let told = told.into_inner().unwrap();
    let waited = told.iter().filter(|line| line.ends_with("Cloudflare does not show the change yet")).count();
    assert_eq!(waited, 2, "{told:?}");
    assert!(told.iter().any(|line| line.contains("the container Box is progressing")), "{told:?}");
    assert_eq!(world.fake.rollouts().last(), Some(&(image(OTHER), "completed".into())));
}
