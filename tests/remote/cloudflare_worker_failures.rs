//! Rollouts of a Worker that fail: wrangler that is not what it should be, versions that do not do well, and what Cloudflare refuses.

use std::time::{Duration, Instant};

use infra_sdk::config::Deploy;
use infra_sdk::deploy::{DeployTarget, Observation, Progress, RolloutOptions, rollout};
use infra_sdk::{Error, ErrorKind};
use support::Answer;
use support::worker_fake::WorkerFake;

use crate::cloudflare_worker::{SECRET, World, deploy_to, options, spec};

/// The Worker serves one release of ours, which it goes on to serve.
async fn served(name: &str) -> World {
    let world = World::new(name);
    deploy_to(&world.target(), "1").await.unwrap();
    world
}

/// An error that a person can act on, which shows neither the token nor a value.
fn told(error: &Error) -> String {
    let report = error.report().to_string();
    assert!(report.contains("next: ") && !report.contains("canary"), "{report}");
    report
}

async fn still_serves(world: &World) {
    let seen = world.target().status().await.unwrap();
    assert_eq!(seen.candidate(), None);
    let current = seen.current.unwrap();
    assert_eq!(seen.releases.iter().find(|one| one.id == current).unwrap().version, "1");
    assert_eq!(world.fake.serving(), [(current.to_string(), 100)]);
    world.is_tidy();
}

#[tokio::test]
async fn a_wrangler_that_does_not_do_what_it_should_is_told_by_what_it_did() {
    let world = served("worker-misbehaving").await;
    for (how, kind, says) in [
        ("other", ErrorKind::Conflict, "wanted: 4.164.0, found: `4.86.0`"),
        (
            "ran-other",
            ErrorKind::Conflict,
            "ran in another version than it said (command: wrangler deploy, said: 4.164.0, ran: `4.86.0`",
        ),
        ("mute", ErrorKind::Failed, "does not say its version"),
        ("no-code", ErrorKind::Failed, "bundled no code"),
        ("garbage", ErrorKind::Invalid, "no record"),
        ("nothing", ErrorKind::Failed, "ended well, and no version came of it"),
        ("nothing", ErrorKind::Failed, "everything went well"),
        ("null", ErrorKind::Failed, "ended well, and no version came of it"),
        ("lies", ErrorKind::Failed, "Cloudflare does not know it"),
        ("elsewhere", ErrorKind::Failed, "uploaded: `another`"),
        ("echo", ErrorKind::Failed, "exit code: 7"),
        ("denied", ErrorKind::Denied, "Workers Scripts: Edit"),
        ("migration", ErrorKind::Conflict, "`wrangler deploy`"),
    ] {
        let error = deploy_to(&world.misbehaving(how), "2").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{how}: {error:?}");
        let report = told(&error);
        assert!(report.contains(says), "{how}: {says:?} is not in\n{report}");
        still_serves(&world).await;
    }
}

#[tokio::test]
async fn a_wrangler_that_names_an_older_version_rolls_nothing_out() {
    let world = served("worker-stale").await;
    deploy_to(&world.target(), "2").await.unwrap();
    let seen = world.target().status().await.unwrap();
    let (first, serving) = (&seen.releases.last().unwrap().id, world.fake.serving());
    let error = deploy_to(&world.misbehaving(&format!("stale:{first}")), "3").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert!(told(&error).contains("not the one it was to upload"), "{error:?}");
    assert_eq!(world.fake.serving(), serving);
    world.is_tidy();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_wrangler_that_a_killed_run_left_is_ended_before_the_next_one_begins() {
    let world = World::new("worker-orphan");
    let left = world.repo.join("work/work-left");
    std::fs::create_dir_all(&left).unwrap();
    let orphan = infra_sdk::Cmd::new("sleep").arg("300");
    let orphan = orphan.env("WRANGLER_OUTPUT_FILE_PATH", left.join("output.ndjson"));
    let orphan = orphan.start_detached(&world.repo.join("log")).unwrap();
    assert!(orphan.is_alive());
    deploy_to(&world.target(), "1").await.unwrap();
    assert!(!orphan.is_alive() && !left.exists());
    still_serves(&world).await;
}

#[tokio::test]
async fn a_wrangler_that_hangs_is_ended_at_its_deadline_and_leaves_nothing() {
    let world = served("worker-hangs").await;
    let target = world.misbehaving("hang").deadline(Duration::from_secs(2));
    let begun = Instant::now();
    let error = deploy_to(&target, "2").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(
        told(&error).contains("versions upload") && begun.elapsed() < Duration::from_secs(60),
        "{error:?}"
    );
    still_serves(&world).await;
}

#[tokio::test]
async fn a_rollout_that_is_cancelled_while_wrangler_runs_ends_it() {
    let world = served("worker-cancelled").await;
    let target = world.misbehaving("hang");
    let options = options(&target);
    let cancel = options.cancel.clone();
    let waiting = async {
        // As soon as wrangler has its secrets it is under way.
        let has_secrets = || {
            let works = std::fs::read_dir(world.repo.join("work")).into_iter().flatten().flatten();
            works.into_iter().any(|work| work.path().join("secrets.json").exists())
        };
        let until = Instant::now() + Duration::from_secs(60);
        while !has_secrets() && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        cancel.cancel();
    };
    let next = spec("2");
    let (result, ()) = tokio::join!(rollout(&target, &next, &options, &|_| {}), waiting);
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Cancelled);
    still_serves(&world).await;
}

#[tokio::test]
async fn a_wrangler_that_is_missing_or_not_pinned_says_how_to_get_it() {
    let world = World::new("worker-missing");
    std::fs::remove_dir_all(world.repo.join("node_modules")).unwrap();
    let target = world.target_with(&world.deploy(), &[("PATH", "")]);
    let error = deploy_to(&target, "1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(told(&error).contains("npm ci"), "{error:?}");
    std::fs::remove_file(world.repo.join("wrangler.jsonc")).unwrap();
    let error = deploy_to(&target, "1").await.unwrap_err();
    assert!(error.kind() == ErrorKind::NotFound && told(&error).contains("wrangler.jsonc"), "{error:?}");
}

/// wrangler that is told to slow down as soon as it uploads, and writes what wrangler 4.164.0 writes of that.
const THROTTLED: &str = r#"#!/bin/sh
case "$*" in
  --version | *--dry-run*) exec "$0.kept" "$@" ;;
esac
echo '{"type":"command-failed","version":1,"code":971,"message":"Please wait","retry_after_ms":90500}' \
  >> "$WRANGLER_OUTPUT_FILE_PATH"
exit 1
"#;

#[tokio::test]
async fn a_wrangler_that_is_told_to_slow_down_holds_all_clients_of_the_token_back() {
    let world = served("worker-throttled").await;
    let program = world.repo.join("node_modules/.bin/wrangler");
    std::fs::copy(&program, program.with_extension("kept")).unwrap();
    std::fs::write(&program, THROTTLED).unwrap();
    let error = deploy_to(&world.target(), "2").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.throttle().unwrap().after, Some(Duration::from_millis(90_500)));
    assert!(told(&error).contains("wait that long"), "{error:?}");
    world.is_tidy();
    // Whoever has this token is told, and nothing is asked.
    world.fake.take();
    let client = infra_sdk::cloudflare::Cloudflare::new(&world.env(&[])).unwrap();
    let left = client.accounts().await.unwrap_err().throttle().unwrap().after.unwrap();
    assert!((60..=90).contains(&left.as_secs()), "{left:?}");
    assert!(world.fake.take().is_empty());
}

#[tokio::test]
async fn a_version_that_answers_badly_is_taken_back_with_what_it_said() {
    let world = served("worker-broken").await;
    let target = world.target();
    let error =
        rollout(&target, &spec("2").env("BROKEN", "yes"), &options(&target), &|_| {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    let report = told(&error);
    for part in [
        "did not become healthy: /healthz answered 500: cannot reach the database",
        "serving again: 1 (",
        "wrangler tail",
    ] {
        assert!(report.contains(part), "{part:?} is not in\n{report}");
    }
    still_serves(&world).await;
}

#[tokio::test]
async fn a_broken_release_behind_a_good_old_one_is_taken_back() {
    let world = served("worker-behind").await;
    world.fake.behind(3);
    // Looks are not so many that the token's limit is met.
    let target = world.target().everywhere(Duration::from_secs(3)).poll(Duration::from_millis(50));
    let error =
        rollout(&target, &spec("2").env("BROKEN", "yes"), &options(&target), &|_| {}).await.unwrap_err();
    let report = told(&error);
    for part in ["/healthz answered 500: cannot reach the database", "serving again: 1 ("] {
        assert!(report.contains(part), "{part:?} is not in\n{report}");
    }
    still_serves(&world).await;
}

#[tokio::test]
async fn a_release_that_does_not_get_the_part_it_was_given_is_taken_back() {
    let world = served("worker-part").await;
    let target = world.target();
    let steps =
        RolloutOptions { steps: vec![10, 100], step_wait: Duration::from_millis(5), ..options(&target) };
    let error = rollout(&target, &spec("2"), &steps, &|step| {
        // The deployment of the last step is answered as made, and is not.
        if matches!(step, Progress::Sharing { .. }) {
            world.fake.swallow(1);
        }
    })
    .await
    .unwrap_err();
    let report = told(&error);
    assert!(report.contains("it gets 10 % of the requests, and was given 100 %"), "{report}");
    still_serves(&world).await;
}

#[tokio::test]
async fn a_first_release_that_fails_leaves_a_worker_that_answers_nobody() {
    let world = World::new("worker-first-fails");
    let target = world.target();
    let error =
        rollout(&target, &spec("1").env("BROKEN", "yes"), &options(&target), &|_| {}).await.unwrap_err();
    assert!(told(&error).contains("serving: nothing"), "{error:?}");
    let serving = world.fake.serving();
    let parked = world.fake.versions()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(serving, [(parked, 100)]);
    deploy_to(&target, "2").await.unwrap();
}

#[tokio::test]
async fn a_version_that_answers_slowly_is_waited_for_no_longer_than_its_time() {
    let world = served("worker-slow").await;
    let target = world.target().poll(Duration::from_millis(50));
    world.fake.slow(1000);
    let short = RolloutOptions { wait: Duration::from_millis(300), ..options(&target) };
    let error = rollout(&target, &spec("2"), &short, &|_| {}).await.unwrap_err();
    assert!(told(&error).contains("within 0.3 s: /healthz answered 503: warming up"), "{error:?}");
}

#[tokio::test]
async fn a_deployment_that_was_answered_and_not_made_is_noticed() {
    let world = served("worker-swallowed").await;
    world.fake.swallow(1);
    let error = deploy_to(&world.target(), "2").await.unwrap_err();
    let report = told(&error);
    assert!(report.contains("it is not the release that runs"), "{report}");
    still_serves(&world).await;
}

#[tokio::test]
async fn somebody_elses_deployment_in_the_middle_is_left_as_it_is() {
    let world = served("worker-meanwhile").await;
    let target = world.target();
    let theirs = world.fake.upload();
    let other = theirs.clone();
    let error = rollout(&target, &spec("2"), &options(&target), &|step| {
        if matches!(step, infra_sdk::deploy::Progress::Activating { .. }) {
            world.fake.slow(1);
        }
        if matches!(step, infra_sdk::deploy::Progress::Waiting { .. }) {
            world.fake.deploy(&other);
        }
    })
    .await
    .unwrap_err();
    assert!(told(&error).contains("somebody else has set that meanwhile"), "{error:?}");
    assert_eq!(world.fake.serving(), [(theirs, 100)]);
}

#[tokio::test]
async fn what_cloudflare_refuses_names_the_permission_and_what_still_serves() {
    let world = served("worker-denied").await;
    let target = world.target();
    world
        .fake
        .fault("POST deployments", WorkerFake::refusal(403, 10000, &format!("no: {}", WorkerFake::TOKEN)));
    let error = deploy_to(&target, "2").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    let report = told(&error);
    for part in ["Workers Scripts: Edit", "worker: shop-staging", "serving: 1 ("] {
        assert!(report.contains(part), "{part:?} is not in\n{report}");
    }
    still_serves(&world).await;
    world.fake.fault("GET deployments", WorkerFake::refusal(404, 7003, "Could not route to the account."));
    let error = target.status().await.unwrap_err();
    assert!(
        error.kind() == ErrorKind::NotFound && told(&error).contains("CLOUDFLARE_ACCOUNT_ID"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_busy_service_is_asked_again() {
    let world = served("worker-busy").await;
    let target = world.target();
    for request in ["GET deployments", "GET versions", "POST deployments"] {
        world.fake.fault(request, WorkerFake::refusal(503, 10013, "An unknown error has occurred."));
    }
    deploy_to(&target, "2").await.unwrap();
}

/// What Cloudflare answers a token that asks too often.
fn held_back(seconds: u32) -> Answer {
    Answer::Whole(429, vec![("retry-after", seconds.to_string())], "{}".into())
}

#[tokio::test]
async fn a_wait_that_cloudflare_asks_for_is_waited_and_ends_neither_a_rollout_nor_the_way_back() {
    let world = served("worker-held-back").await;
    let target = world.target();
    let begun = Instant::now();
    world.fake.fault("POST deployments", held_back(2));
    let release = deploy_to(&target, "2").await.unwrap().release;
    assert!(begun.elapsed() >= Duration::from_secs(2));
    let error = rollout(&target, &spec("3").env("BROKEN", "yes"), &options(&target), &|step| {
        if matches!(step, Progress::GoingBack { .. }) {
            world.fake.fault("POST deployments", held_back(2));
        }
    })
    .await
    .unwrap_err();
    assert!(told(&error).contains(&format!("serving again: 2 ({})", release.id)), "{error:?}");
    assert_eq!(world.fake.serving(), [(release.id.to_string(), 100)]);
}

#[tokio::test]
async fn no_answer_that_there_is_nothing_puts_another_program_in_the_place_of_one_that_serves() {
    let world = served("worker-not-found").await;
    world.fake.take();
    // Something else than Cloudflare's own word is a failure.
    let page = Answer::Whole(404, vec![("content-type", "text/html".into())], "<h1>Not found</h1>".into());
    for answer in [page, WorkerFake::refusal(404, 971, "Not found.")] {
        world.fake.fault("GET deployments", answer);
        let error = deploy_to(&world.target(), "2").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        told(&error);
        still_serves(&world).await;
    }
    // Its own word is not believed of a Worker that was there, once or twice.
    for times in [1, 2] {
        let target = world.target();
        let error = rollout(&target, &spec("2"), &options(&target), &|step| {
            if matches!(step, Progress::Preparing { .. }) {
                let gone = || WorkerFake::refusal(404, 10007, "This Worker does not exist on your account.");
                (0..times).for_each(|_| world.fake.fault("GET deployments", gone()));
            }
        })
        .await
        .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
        assert!(told(&error).contains("nothing was changed"), "{error:?}");
        still_serves(&world).await;
    }
    assert!(world.fake.take().iter().all(|request| request.method == "GET"));
}

#[tokio::test]
async fn a_version_that_is_gone_cannot_be_gone_back_to() {
    let world = served("worker-gone").await;
    let target = world.target();
    let first = target.status().await.unwrap().current.unwrap();
    deploy_to(&target, "2").await.unwrap();
    world.fake.fault("POST deployments", WorkerFake::refusal(400, 10137, "Version does not exist."));
    let options = options(&target);
    let error = infra_sdk::deploy::rollback(&target, Some(&first), &options, &|_| {}).await.unwrap_err();
    assert!(told(&error).contains("Version does not exist."), "{error:?}");
    assert_eq!(
        target.observe(&target.status().await.unwrap().current.unwrap()).await.unwrap(),
        Observation::Healthy
    );
}

/// The Worker as another environment of the project sees it.
fn of_production(world: &World) -> infra_sdk::cloudflare::WorkerTarget {
    let env = world.env(&[]);
    let place = infra_sdk::cloudflare::WorkerPlace {
        environment: "production".parse().unwrap(),
        ..world.place(&world.deploy())
    };
    let keys = std::sync::Arc::new(infra_sdk::local::LocalSecrets::new(world.repo.join("secrets")));
    let images = std::sync::Arc::new(support::Pullable::default());
    let cloudflare = infra_sdk::cloudflare::Cloudflare::new(&env).unwrap();
    let project = "shop".parse().unwrap();
    let folder = world.repo.join("work");
    infra_sdk::cloudflare::WorkerTarget::new(cloudflare, place, project, images, keys, &env, folder)
        .unwrap()
        .wrangler("4.164.0")
}

#[tokio::test]
async fn a_worker_of_another_environment_is_not_taken_over() {
    let world = served("worker-owner").await;
    let error = deploy_to(&of_production(&world), "2").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let report = told(&error);
    assert!(report.contains("environment: staging") && report.contains("`service`"), "{report}");
    still_serves(&world).await;
    // A version that says nothing of itself, such as one with another secret, does not change whose it is.
    let patched = world.fake.upload();
    world.fake.deploy(&patched);
    let (error, versions) =
        (deploy_to(&of_production(&world), "2").await.unwrap_err(), world.fake.versions().len());
    assert!(
        error.kind() == ErrorKind::Conflict && told(&error).contains("environment: staging"),
        "{error:?}"
    );
    assert_eq!(world.fake.serving(), [(patched, 100)]);
    deploy_to(&world.target(), "2").await.unwrap();
    assert_eq!(world.fake.versions().len(), versions + 1);
}

#[tokio::test]
async fn what_a_worker_cannot_have_is_refused_before_anything_is_asked() {
    let world = World::new("worker-refused");
    let target = world.target();
    let mut place = spec("1");
    place.from.insert("X".into(), infra_sdk::deploy::ValueFrom::new("/a/b"));
    let mut long = spec("1");
    long.secrets.insert("LONG".parse().unwrap(), infra_sdk::SecretValue::new(SECRET.repeat(400)));
    for bad in [place, long, spec("1").env("class", "x"), spec("1").env("LONG", "x".repeat(6000))] {
        let error = target.prepare(&bad, "ada", false).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        told(&error);
    }
    let bad = Deploy { service: Some("../x".into()), ..Deploy::default() };
    let place = world.place(&bad);
    assert!(format!("{place}").contains("../x"));
    assert!(world.fake.take().is_empty());
}
