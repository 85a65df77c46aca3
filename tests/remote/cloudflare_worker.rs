//! Rollouts of a Worker that go well, against a stand-in for Cloudflare and one for wrangler: what is uploaded, deployed and kept.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use infra_sdk::cloudflare::{Cloudflare, WorkerPlace, WorkerTarget};
use infra_sdk::config::Deploy;
use infra_sdk::deploy::{
    DeployTarget, Observation, Outcome, Progress, ReleaseSpec, RolloutOptions, RolloutReport, Takes, history,
    rollback, rollout, status, stop,
};
use infra_sdk::local::LocalSecrets;
use infra_sdk::{Digest, Env, Error, ErrorKind, SecretValue};
use serde_json::json;
use support::worker_fake::WorkerFake;
use support::wrangler::{WRANGLER, stand_in};
use support::{Pullable, Scratch};

use crate::deploy;

pub(crate) const MANIFEST: &[u8] = b"a manifest";
pub(crate) const SECRET: &str = "canary-value-11ab";

/// A repo with a Worker, and an account.
pub(crate) struct World {
    pub(crate) fake: WorkerFake,
    pub(crate) repo: Scratch,
}

impl World {
    /// The Worker is described, and not there yet.
    pub(crate) fn new(name: &str) -> Self {
        let repo = Scratch::new(name);
        repo.write("src/index.js", "export default { fetch() { return new Response('hi'); } };\n");
        let settings = json!({
            "name": "whatever", "main": "src/index.js", "compatibility_date": "2026-11-01",
            "vars": { "REGION": "eu" },
        });
        repo.write("wrangler.jsonc", format!("// The Worker.\n{settings}\n"));
        // What a person has there must not reach wrangler.
        repo.write(".env", "CLOUDFLARE_ACCOUNT_ID=canary\n");
        stand_in(repo.path());
        World { fake: WorkerFake::start(), repo }
    }

    pub(crate) fn env(&self, more: &[(&str, &str)]) -> Env {
        let url = self.fake.url();
        let path = Env::of_process().unwrap().path("PATH").unwrap_or_default();
        let vars = [
            ("PATH", path.to_str().unwrap()),
            ("HOME", self.repo.path().to_str().unwrap()),
            ("CLOUDFLARE_API_BASE_URL", &url),
            ("CLOUDFLARE_API_TOKEN", WorkerFake::TOKEN),
            ("CLOUDFLARE_ACCOUNT_ID", WorkerFake::ACCOUNT),
            ("CLOUDFLARE_API_KEY", "canary-key"),
            ("INFRA_AGE_KEY", "canary-age"),
        ];
        Env::of(vars.into_iter().chain(more.iter().copied()), self.repo.path())
    }

    pub(crate) fn place(&self, deploy: &Deploy) -> WorkerPlace {
        let (project, environment) = ("shop".parse().unwrap(), "staging".parse().unwrap());
        WorkerPlace::of(deploy, &project, &environment, self.repo.path())
    }

    pub(crate) fn deploy(&self) -> Deploy {
        Deploy { service: Some(WorkerFake::SCRIPT.into()), url: Some(self.fake.site()), ..Deploy::default() }
    }

    pub(crate) fn target_with(&self, deploy: &Deploy, more: &[(&str, &str)]) -> WorkerTarget {
        self.made(deploy, more, &[MANIFEST])
    }

    /// A target whose registry has these images.
    pub(crate) fn with_images(&self, manifests: &[&[u8]]) -> WorkerTarget {
        self.made(&self.deploy(), &[], manifests)
    }

    fn made(&self, deploy: &Deploy, more: &[(&str, &str)], manifests: &[&[u8]]) -> WorkerTarget {
        let env = self.env(more);
        let keys = Arc::new(LocalSecrets::new(self.repo.join("secrets")));
        let images = Arc::new(Pullable(manifests.iter().map(|manifest| manifest.to_vec()).collect()));
        let (cloudflare, folder) = (Cloudflare::new(&env).unwrap(), self.repo.join("work"));
        let project = "shop".parse().unwrap();
        let target = WorkerTarget::new(cloudflare, self.place(deploy), project, images, keys, &env, folder);
        target.unwrap().wrangler(WRANGLER).poll(Duration::from_millis(2)).everywhere(Duration::ZERO)
    }

    pub(crate) fn target(&self) -> WorkerTarget {
        self.target_with(&self.deploy(), &[])
    }

    /// A target whose wrangler misbehaves.
    pub(crate) fn misbehaving(&self, how: &str) -> WorkerTarget {
        self.target_with(&self.deploy(), &[("STAND_IN", how)])
    }

    /// Nothing of what wrangler was given is left.
    pub(crate) fn is_tidy(&self) {
        let names = |folder: std::path::PathBuf| -> Vec<String> {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
        };
        assert_eq!(names(self.repo.join("work")), [""; 0]);
        let left: Vec<String> = names(self.repo.path().to_owned())
            .into_iter()
            .filter(|name| name.contains("wrangler-"))
            .collect();
        assert_eq!(left, [""; 0]);
    }
}

pub(crate) fn spec(version: &str) -> ReleaseSpec {
    let digest = Digest::of(MANIFEST);
    let spec = ReleaseSpec::new("shop".parse().unwrap(), "shop/app".parse().unwrap(), digest, version);
    let mut spec = spec.env("VERSION", version);
    spec.secrets.insert("TOKEN".parse().unwrap(), SecretValue::new(SECRET));
    spec
}

pub(crate) fn options(target: &WorkerTarget) -> RolloutOptions {
    let usual = RolloutOptions::new(target, &Deploy::default(), "ada");
    RolloutOptions { wait: Duration::from_secs(20), ..usual }
}

pub(crate) async fn deploy_to(target: &WorkerTarget, version: &str) -> Result<RolloutReport, Error> {
    rollout(target, &spec(version), &options(target), &|_| {}).await
}

#[tokio::test]
async fn the_target_holds() {
    let worlds = Mutex::new(Vec::new());
    let fresh = || -> Box<dyn DeployTarget> {
        let world = World::new("worker-contract");
        let made = world.target();
        worlds.lock().unwrap().push(world);
        Box::new(made)
    };
    let secret: fn(&mut ReleaseSpec, &str) = |spec, name| {
        spec.secrets.insert(name.parse().unwrap(), SecretValue::new("canary-more"));
    };
    let specs = deploy::Specs { good: spec("1.0.0"), broken: spec("1.1.0").env("BROKEN", "yes"), secret };
    deploy::holds(&fresh, &specs).await;
    for world in worlds.lock().unwrap().iter() {
        world.is_tidy();
    }
}

#[tokio::test]
async fn a_release_is_a_version_with_its_variables_and_secrets_and_says_what_it_is() {
    let world = World::new("worker-release");
    let target = world.target();
    assert_eq!((target.habits().takes, target.habits().shares), (Takes::Values, true));
    let report = deploy_to(&target, "1.4.0").await.unwrap();
    assert_eq!((report.outcome, report.release.by.as_str()), (Outcome::RolledOut, "ada"));
    assert_eq!(report.url, Some(world.fake.site()));
    let id = report.release.id.to_string();
    let bound = world.fake.bindings(&id);
    let text = |name: &str| bound[name]["text"].as_str().unwrap().to_owned();
    assert_eq!(
        (text("REGION"), text("VERSION"), text("TOKEN")),
        ("eu".into(), "1.4.0".into(), SECRET.into())
    );
    assert_eq!(
        (&bound["VERSION"]["type"], &bound["TOKEN"]["type"]),
        (&json!("plain_text"), &json!("secret_text"))
    );
    let versions = world.fake.versions();
    let version = versions.iter().find(|version| version["id"] == id.as_str()).unwrap();
    assert_eq!(version["annotations"]["workers/tag"], "1.4.0");
    assert!(!version["annotations"].to_string().contains("canary"), "{version}");
    assert_eq!(world.fake.serving(), [(id.clone(), 100)]);
    // Another program, with nothing but what Cloudflare keeps, sees the same.
    let seen = world.target().status().await.unwrap();
    let kept = seen.release(&report.release.id).unwrap();
    assert_eq!((kept, seen.current.as_ref()), (&report.release, Some(&report.release.id)));
    assert_eq!((kept.digest.clone(), kept.health.as_str()), (Some(Digest::of(MANIFEST)), "/healthz"));
    world.is_tidy();
}

#[tokio::test]
async fn a_worker_that_is_not_there_is_made_and_answers_nobody_before_its_first_release_is_asked_for() {
    let world = World::new("worker-first");
    let target = world.target();
    assert_eq!(target.status().await.unwrap(), infra_sdk::deploy::Status::default());
    let made = target.prepare(&spec("1"), "ada", false).await.unwrap();
    let versions = world.fake.versions();
    assert_eq!(versions.len(), 2);
    assert_eq!(world.fake.serving(), [(versions[0]["id"].as_str().unwrap().to_owned(), 100)]);
    assert!(versions[0]["annotations"]["workers/message"].as_str().unwrap().contains("parked"));
    assert!(status(&target).await.unwrap().to_string().starts_with("nothing was rolled out"));
    target.activate(&made.id).await.unwrap();
    assert_eq!(target.observe(&made.id).await.unwrap(), Observation::Healthy);
}

#[tokio::test]
async fn the_same_code_with_the_same_settings_is_not_uploaded_again_and_everything_else_is() {
    let world = World::new("worker-same");
    let target = world.target();
    let first = deploy_to(&target, "1").await.unwrap();
    world.fake.take();
    // Another program with the same key.
    let again = deploy_to(&world.target(), "1").await.unwrap();
    assert_eq!((again.outcome, &again.release.id), (Outcome::Unchanged, &first.release.id));
    assert!(world.fake.take().iter().all(|request| request.method == "GET"));

    let outcome =
        async |spec: &ReleaseSpec| rollout(&target, spec, &options(&target), &|_| {}).await.unwrap().outcome;
    world.repo.write("src/index.js", "export default { fetch() { return new Response('ho'); } };\n");
    assert_eq!(outcome(&spec("1")).await, Outcome::RolledOut);
    world.repo.write(
        "wrangler.jsonc",
        "{\"name\": \"x\", \"main\": \"src/index.js\", \"vars\": {\"REGION\": \"us\"}}",
    );
    assert_eq!(outcome(&spec("1")).await, Outcome::RolledOut);
    let mut rotated = spec("1");
    rotated.secrets.insert("TOKEN".parse().unwrap(), SecretValue::new("canary-rotated"));
    assert_eq!(outcome(&rotated).await, Outcome::RolledOut);
    assert_eq!(outcome(&rotated).await, Outcome::Unchanged);
}

#[tokio::test]
async fn going_back_gives_the_requests_to_a_version_with_the_secrets_it_had() {
    let world = World::new("worker-back");
    let target = world.target();
    let first = deploy_to(&target, "1").await.unwrap().release;
    let mut rotated = spec("2");
    rotated.secrets.insert("TOKEN".parse().unwrap(), SecretValue::new("canary-rotated"));
    rollout(&target, &rotated, &options(&target), &|_| {}).await.unwrap();
    let uploads = world.fake.versions().len();
    let back = rollback(&target, None, &options(&target), &|_| {}).await.unwrap();
    assert_eq!((back.release.id.clone(), back.outcome), (first.id.clone(), Outcome::RolledBack));
    assert_eq!(world.fake.bindings(first.id.as_str())["TOKEN"]["text"], SECRET);
    assert_eq!(world.fake.versions().len(), uploads, "nothing is uploaded to go back");
    let forced = world.fake.take().into_iter().filter(|request| request.method == "POST");
    assert!(
        forced.filter(|request| request.path.ends_with("/deployments")).all(|one| one.query == "force=true")
    );
}

#[tokio::test]
async fn a_release_gets_the_requests_in_steps_and_is_asked_itself_at_each() {
    let world = World::new("worker-steps");
    let target = world.target();
    let first = deploy_to(&target, "1").await.unwrap().release.id.to_string();
    let steps =
        RolloutOptions { steps: vec![10, 50, 100], step_wait: Duration::from_millis(20), ..options(&target) };
    let before = world.fake.deployments().len();
    world.fake.slow(2);
    let told = Mutex::new(Vec::new());
    let note = |step: Progress| told.lock().unwrap().push(step.to_string());
    let second = rollout(&target, &spec("2"), &steps, &note).await.unwrap().release.id.to_string();
    let share = |part: u64| vec![(second.clone(), part), (first.clone(), 100 - part)];
    let whole = vec![(second.clone(), 100)];
    assert_eq!(world.fake.deployments()[before..], [share(10), share(50), whole.clone(), whole]);
    let told = told.into_inner().unwrap();
    assert!(told.iter().any(|line| line.starts_with("giving 10 % of the requests to 2 (")), "{told:?}");
    assert!(told.iter().any(|line| line.ends_with("/healthz answered 503: warming up")), "{told:?}");
    // Asked is the version that is meant, whatever part it has.
    let asked = world.fake.take().into_iter().filter(|request| request.path.starts_with("/site"));
    let header = "cloudflare-workers-version-overrides";
    let asked: Vec<String> = asked.filter_map(|request| request.header(header).map(str::to_owned)).collect();
    assert!(
        asked.iter().filter(|one| **one == format!("shop-staging=\"{second}\"")).count() > 3,
        "{asked:?}"
    );
}

#[tokio::test]
async fn a_release_that_fails_at_its_first_step_never_gets_more() {
    let world = World::new("worker-step-fails");
    let target = world.target();
    let first = deploy_to(&target, "1").await.unwrap().release;
    let steps =
        RolloutOptions { steps: vec![10, 100], step_wait: Duration::from_millis(20), ..options(&target) };
    let error = rollout(&target, &spec("2").env("BROKEN", "yes"), &steps, &|_| {}).await.unwrap_err();
    let report = error.report().to_string();
    assert!(report.contains("/healthz answered 500: cannot reach the database"), "{report}");
    assert!(report.contains(&format!("serving again: 1 ({})", first.id)), "{report}");
    let failed = world.fake.versions().last().unwrap()["id"].as_str().unwrap().to_owned();
    let most =
        world.fake.deployments().concat().into_iter().filter(|(id, _)| *id == failed).map(|(_, part)| part);
    assert_eq!(most.max(), Some(10));
    assert_eq!(world.fake.serving(), [(first.id.to_string(), 100)]);
}

#[tokio::test]
async fn a_rollout_in_steps_that_was_killed_is_taken_over_and_takes_its_steps_again() {
    let world = World::new("worker-killed");
    let target = world.target();
    let first = deploy_to(&target, "1").await.unwrap().release.id;
    let made = target.prepare(&spec("2"), "ada", false).await.unwrap();
    target.share(&made.id, 10).await.unwrap();
    let target = world.target();
    let seen = target.status().await.unwrap();
    assert_eq!((seen.current.as_ref(), seen.candidate()), (Some(&first), Some(&made.id)));
    let steps =
        RolloutOptions { steps: vec![50, 100], step_wait: Duration::from_millis(5), ..options(&target) };
    let before = world.fake.deployments().len();
    let report = rollout(&target, &spec("2"), &steps, &|_| {}).await.unwrap();
    assert_eq!(report.release.id, made.id);
    assert_eq!(world.fake.deployments()[before], [(made.id.to_string(), 50), (first.to_string(), 50)]);
}

#[tokio::test]
async fn what_somebody_else_deployed_is_current_and_the_way_back() {
    let world = World::new("worker-others");
    let theirs = world.fake.exists();
    let target = world.target();
    let before = target.status().await.unwrap();
    assert_eq!(before.current.as_ref().unwrap().as_str(), theirs);
    assert_eq!(before.release(before.current.as_ref().unwrap()).unwrap().version, "0.9");
    deploy_to(&target, "1").await.unwrap();
    let back = rollback(&target, None, &options(&target), &|_| {}).await.unwrap();
    assert_eq!((back.release.id.as_str(), back.release.by.as_str()), (&*theirs, "ada@example.com"));
    // A version that was deployed by hand in between is what should run, and none of ours is lost.
    let ours = deploy_to(&target, "2").await.unwrap().release.id;
    let more = world.fake.upload();
    world.fake.deploy(&more);
    let seen = world.target().status().await.unwrap();
    assert_eq!((seen.current.as_ref().unwrap().as_str(), seen.candidate()), (&*more, None));
    assert!(seen.release(&ours).unwrap().accepted.is_some());
    let back = rollback(&target, None, &options(&target), &|_| {}).await.unwrap();
    assert_eq!(back.release.id, ours);
}

#[tokio::test]
async fn what_was_accepted_is_known_after_many_deployments_of_others() {
    let world = World::new("worker-many");
    let target = world.target();
    let ours = deploy_to(&target, "1").await.unwrap().release.id;
    // Nine leave the newest of ours in what Cloudflare tells; three more, and nothing of ours is told.
    for more in [9, 3] {
        (0..more).for_each(|_| world.fake.deploy(ours.as_str()));
        let seen = world.target().status().await.unwrap();
        assert_eq!((seen.current.as_ref(), seen.candidate()), (Some(&ours), None));
        let listed = history(&target).await.unwrap().releases;
        assert!(listed.len() == 1 && listed[0].accepted.is_some(), "{listed:?}");
    }
    deploy_to(&target, "2").await.unwrap();
    assert_eq!(rollback(&target, None, &options(&target), &|_| {}).await.unwrap().release.id, ours);
}

#[tokio::test]
async fn an_earlier_release_that_somebody_gave_the_requests_to_shares_them_at_every_step() {
    let world = World::new("worker-given-back");
    let target = world.target();
    let first = deploy_to(&target, "1").await.unwrap().release.id.to_string();
    deploy_to(&target, "2").await.unwrap();
    world.fake.deploy(&first);
    let steps =
        RolloutOptions { steps: vec![10, 50, 100], step_wait: Duration::from_millis(5), ..options(&target) };
    let before = world.fake.deployments().len();
    let third = rollout(&target, &spec("3"), &steps, &|_| {}).await.unwrap().release.id.to_string();
    let share = |part: u64| vec![(third.clone(), part), (first.clone(), 100 - part)];
    assert_eq!(world.fake.deployments()[before..before + 2], [share(10), share(50)]);
    assert_eq!(
        rollback(&target, Some(&first.parse().unwrap()), &options(&target), &|_| {})
            .await
            .unwrap()
            .release
            .version,
        "1"
    );
}

#[tokio::test]
async fn what_was_accepted_is_found_behind_a_page_of_others_deployments_and_is_never_lost() {
    let world = World::new("worker-pages");
    let target = world.target();
    let first = deploy_to(&target, "1").await.unwrap().release.id;
    let second = deploy_to(&target, "2").await.unwrap().release.id;
    (0..25).for_each(|_| world.fake.deploy(second.as_str()));
    let accepted = async || -> Vec<_> {
        let listed = history(&world.target()).await.unwrap().releases;
        assert!(listed.iter().all(|release| release.accepted.is_some()), "{listed:?}");
        listed.into_iter().map(|release| release.id).collect()
    };
    assert_eq!(accepted().await, [second.clone(), first.clone()]);
    // The next deployment carries the list on, and the pages behind it are not needed any more.
    let third = deploy_to(&target, "3").await.unwrap().release.id;
    world.fake.take();
    assert_eq!(accepted().await, [third, second.clone(), first.clone()]);
    assert!(world.fake.take().iter().all(|request| !request.query.contains("page")));
    assert_eq!(rollback(&target, None, &options(&target), &|_| {}).await.unwrap().release.id, second);
    assert_eq!(rollback(&target, None, &options(&target), &|_| {}).await.unwrap().release.id, first);
}

#[tokio::test]
async fn a_good_answer_counts_only_when_it_can_no_longer_be_that_of_the_version_before() {
    let world = World::new("worker-everywhere");
    deploy_to(&world.target(), "1").await.unwrap();
    world.fake.behind(2);
    let within = Duration::from_millis(300);
    let target = world.target().everywhere(within);
    let (told, begun) = (Mutex::new(Vec::new()), Instant::now());
    let note = |step: Progress| told.lock().unwrap().push(step.to_string());
    rollout(&target, &spec("2"), &options(&target), &note).await.unwrap();
    let told = told.into_inner().unwrap();
    assert!(told.iter().any(|line| line.ends_with("waiting until the version is everywhere")), "{told:?}");
    assert!(begun.elapsed() >= within);
    // What is healthy once does not begin to start again.
    let current = target.status().await.unwrap().current.unwrap();
    assert_eq!(target.observe(&current).await.unwrap(), Observation::Healthy);
}

#[tokio::test]
async fn stopping_waits_until_cloudflare_shows_it() {
    let world = World::new("worker-stopping");
    let target = world.target();
    deploy_to(&target, "1").await.unwrap();
    world.fake.late(2);
    target.stop().await.unwrap();
    assert_eq!(world.target().status().await.unwrap().active, None);
    world.fake.late(0);
    deploy_to(&target, "1").await.unwrap();
    world.fake.swallow(1);
    let error = target.stop().await.unwrap_err();
    assert!(error.kind() == ErrorKind::TimedOut && !error.hints().is_empty(), "{error:?}");
}

#[tokio::test]
async fn a_stopped_project_answers_503_and_is_stopped_without_another_upload_the_second_time() {
    let world = World::new("worker-stopped");
    let target = world.target();
    let release = deploy_to(&target, "1").await.unwrap().release;
    let uploads = world.fake.versions().len();
    stop(&target, "ada").await.unwrap();
    assert_eq!(
        target.observe(&release.id).await.unwrap(),
        Observation::Unhealthy { why: "the project was stopped".into() }
    );
    assert_eq!(world.fake.versions().len(), uploads, "the Worker was made as one that is stopped");
    assert!(status(&target).await.unwrap().to_string().starts_with("stopped; 1 ("));
    let again = deploy_to(&target, "1").await.unwrap();
    assert_eq!((again.release.id, world.fake.versions().len()), (release.id, uploads));
}

#[tokio::test]
async fn without_an_address_a_version_that_gets_the_requests_is_healthy() {
    let world = World::new("worker-no-address");
    world.fake.no_workers_dev();
    let deploy = Deploy { url: None, ..world.deploy() };
    let target = world.target_with(&deploy, &[]);
    let report = rollout(&target, &spec("1").env("BROKEN", "yes"), &options(&target), &|_| {}).await.unwrap();
    assert_eq!(report.url, None);
}

#[tokio::test]
async fn its_address_is_the_one_at_workers_dev_where_nobody_named_another() {
    let world = World::new("worker-address");
    world.fake.exists();
    let deploy = Deploy { url: None, ..world.deploy() };
    let seen = world.target_with(&deploy, &[]).status().await.unwrap();
    assert_eq!(seen.url.as_deref(), Some("https://shop-staging.acme.workers.dev"));
}

#[tokio::test]
async fn logs_say_where_the_lines_are_and_an_unknown_release_is_refused_by_name() {
    let world = World::new("worker-logs");
    let target = world.target();
    let release = deploy_to(&target, "1").await.unwrap().release;
    let lines = target.logs(None, 5).await.unwrap();
    assert!(
        lines[0].contains(&format!("wrangler tail shop-staging --version-id {}", release.id)),
        "{lines:?}"
    );
    for unknown in ["web:1", "ebda32e6-5daf-4f6f-868e-00000000ffff"] {
        let unknown = unknown.parse().unwrap();
        assert_eq!(target.logs(Some(&unknown), 5).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(target.activate(&unknown).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
}
