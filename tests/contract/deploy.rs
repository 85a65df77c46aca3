//! What every deploy target keeps of its contract, as checks over `&dyn DeployTarget`.
//!
//! Each check gets a target of its own on which nothing was rolled out yet, and leaves nothing running.

use std::sync::Mutex;
use std::time::Duration;

use infra_sdk::config::Deploy;
use infra_sdk::deploy::{
    DeployTarget, Observation, Outcome, Progress, ReleaseSpec, RolloutOptions, history, rollback, rollout,
    status, stop,
};
use infra_sdk::{ErrorKind, SecretValue};

/// What a target is given to run.
pub(crate) struct Specs {
    /// Becomes healthy.
    pub(crate) good: ReleaseSpec,
    /// Never becomes healthy; it prints `cannot reach the database`.
    pub(crate) broken: ReleaseSpec,
}

/// Checks targets on which nothing was rolled out yet; `fresh` makes one with each call.
pub(crate) async fn holds(fresh: &dyn Fn() -> Box<dyn DeployTarget>, specs: &Specs) {
    an_unused_target_is_empty(&*fresh(), specs).await;
    the_same_again_changes_nothing(&*fresh(), specs).await;
    a_broken_release_is_taken_back(&*fresh(), specs).await;
    a_broken_first_release_is_stopped(&*fresh(), specs).await;
    a_cancelled_rollout_goes_back(&*fresh(), specs).await;
    rolling_back_starts_the_release_before(&*fresh(), specs).await;
    old_releases_are_forgotten(&*fresh(), specs).await;
    a_stopped_project_can_be_started_again(&*fresh(), specs).await;
    a_second_rollout_is_refused_by_name(&*fresh(), specs).await;
    secrets_are_masked_in_the_log(&*fresh(), specs).await;
}

fn options() -> RolloutOptions {
    RolloutOptions { wait: Duration::from_secs(20), ..RolloutOptions::new(&Deploy::default(), "contract") }
}

/// The good spec with one more variable, which makes it another release.
fn variant(specs: &Specs, value: &str) -> ReleaseSpec {
    let mut spec = specs.good.clone();
    spec.env.insert("VARIANT".into(), value.into());
    spec.version = value.into();
    spec
}

/// A target nobody used says so, and has nothing to stop or to go back to.
async fn an_unused_target_is_empty(target: &dyn DeployTarget, _: &Specs) {
    assert_eq!(target.status().await.unwrap(), Default::default());
    assert!(status(target).await.unwrap().to_string().contains("nothing was rolled out"));
    assert!(target.logs(None, 5).await.unwrap().is_empty());
    assert_eq!(stop(target, "contract").await.unwrap(), None);
    let error = rollback(target, None, &options(), &|_| {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let nowhere = "20200101-000000-000000000000".parse().unwrap();
    assert_eq!(target.activate(&nowhere).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(target.logs(Some(&nowhere), 1).await.unwrap_err().kind(), ErrorKind::NotFound);
}

/// A release becomes healthy and current; the same again touches nothing, and `force` does.
async fn the_same_again_changes_nothing(target: &dyn DeployTarget, specs: &Specs) {
    let first = rollout(target, &specs.good, &options(), &|_| {}).await.unwrap();
    assert_eq!(first.outcome, Outcome::RolledOut);
    let seen = target.status().await.unwrap();
    assert_eq!(
        (seen.current.as_ref(), seen.active.as_ref()),
        (Some(&first.release.id), Some(&first.release.id))
    );
    let again = rollout(target, &specs.good, &options(), &|_| {}).await.unwrap();
    assert_eq!((again.outcome, &again.release.id), (Outcome::Unchanged, &first.release.id));
    let mut secret = specs.good.clone();
    secret.secrets.insert("ROTATED".parse().unwrap(), SecretValue::new("another-value"));
    let rotated = rollout(target, &secret, &options(), &|_| {}).await.unwrap();
    assert_eq!(rotated.outcome, Outcome::RolledOut);
    let forced = RolloutOptions { force: true, ..options() };
    let forced = rollout(target, &secret, &forced, &|_| {}).await.unwrap();
    assert_ne!(forced.release.id, rotated.release.id);
    stop(target, "contract").await.unwrap();
}

/// A broken release is taken back by itself; the error says why, what it printed and what serves.
async fn a_broken_release_is_taken_back(target: &dyn DeployTarget, specs: &Specs) {
    let good = rollout(target, &specs.good, &options(), &|_| {}).await.unwrap().release;
    let told = Mutex::new(Vec::new());
    let error = rollout(target, &specs.broken, &options(), &|step| told.lock().unwrap().push(step))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    let report = error.report().to_string();
    assert!(report.contains("cannot reach the database") && report.contains(good.id.as_str()), "{report}");
    assert!(told.lock().unwrap().iter().any(|step| matches!(step, Progress::GoingBack { .. })));
    assert_eq!(target.observe(&good.id).await.unwrap(), Observation::Healthy);
    assert_eq!(target.status().await.unwrap().current, Some(good.id));
    stop(target, "contract").await.unwrap();
}

/// When the first release ever is broken it is stopped, because there is none to go back to.
async fn a_broken_first_release_is_stopped(target: &dyn DeployTarget, specs: &Specs) {
    let error = rollout(target, &specs.broken, &options(), &|_| {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert!(error.hints().iter().any(|hint| hint.contains("first release")), "{:?}", error.hints());
    let seen = target.status().await.unwrap();
    assert_eq!((seen.current, seen.active), (None, None));
}

/// A cancelled rollout returns to what served before.
async fn a_cancelled_rollout_goes_back(target: &dyn DeployTarget, specs: &Specs) {
    let good = rollout(target, &specs.good, &options(), &|_| {}).await.unwrap().release;
    let options = options();
    let cancel = options.cancel.clone();
    let spec = variant(specs, "cancelled");
    let error = rollout(target, &spec, &options, &|step| {
        if matches!(step, Progress::Activating { .. }) {
            cancel.cancel();
        }
    })
    .await
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(target.observe(&good.id).await.unwrap(), Observation::Healthy);
    stop(target, "contract").await.unwrap();
}

/// Going back starts the accepted release before; a release that is not kept is refused by name.
async fn rolling_back_starts_the_release_before(target: &dyn DeployTarget, specs: &Specs) {
    let mut made = Vec::new();
    for version in ["one", "two", "three"] {
        made.push(rollout(target, &variant(specs, version), &options(), &|_| {}).await.unwrap().release.id);
    }
    let back = rollback(target, None, &options(), &|_| {}).await.unwrap();
    assert_eq!((back.outcome, &back.release.id), (Outcome::RolledBack, &made[1]));
    assert_eq!(target.observe(&made[1]).await.unwrap(), Observation::Healthy);
    let further = rollback(target, None, &options(), &|_| {}).await.unwrap();
    assert_eq!(further.release.id, made[0]);
    let there = rollback(target, Some(&made[2]), &options(), &|_| {}).await.unwrap();
    assert_eq!(there.release.id, made[2]);
    let unknown = "20200101-000000-000000000000".parse().unwrap();
    let error = rollback(target, Some(&unknown), &options(), &|_| {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let listed: Vec<_> =
        history(target).await.unwrap().releases.into_iter().map(|release| release.id).collect();
    assert_eq!(listed, made.into_iter().rev().collect::<Vec<_>>());
    stop(target, "contract").await.unwrap();
}

/// Past releases beyond `keep` are forgotten, the way back never.
async fn old_releases_are_forgotten(target: &dyn DeployTarget, specs: &Specs) {
    let options = RolloutOptions { keep: 1, ..options() };
    let mut made = Vec::new();
    for version in ["one", "two", "three"] {
        made.push(rollout(target, &variant(specs, version), &options, &|_| {}).await.unwrap().release.id);
    }
    let kept: Vec<_> =
        target.status().await.unwrap().releases.into_iter().map(|release| release.id).collect();
    assert_eq!(kept, [made[2].clone(), made[1].clone()]);
    stop(target, "contract").await.unwrap();
}

/// What was stopped stays stopped, is known, and can be rolled out again.
async fn a_stopped_project_can_be_started_again(target: &dyn DeployTarget, specs: &Specs) {
    let release = rollout(target, &specs.good, &options(), &|_| {}).await.unwrap().release;
    assert_eq!(stop(target, "contract").await.unwrap().as_ref(), Some(&release.id));
    assert_ne!(target.observe(&release.id).await.unwrap(), Observation::Healthy);
    assert!(status(target).await.unwrap().to_string().starts_with("stopped"));
    stop(target, "contract").await.unwrap();
    rollout(target, &specs.good, &options(), &|_| {}).await.unwrap();
    assert_eq!(status(target).await.unwrap().observation, Some(Observation::Healthy));
    stop(target, "contract").await.unwrap();
}

/// While one holds the claim, a second rollout is refused with the holder's name.
async fn a_second_rollout_is_refused_by_name(target: &dyn DeployTarget, specs: &Specs) {
    let held = target.claim("release train").await.unwrap();
    let error = rollout(target, &specs.good, &options(), &|_| {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(error.to_string().contains("release train"), "{error}");
    drop(held);
    drop(target.claim("next").await.unwrap());
}

/// Secrets reach the service and no line of its log.
async fn secrets_are_masked_in_the_log(target: &dyn DeployTarget, specs: &Specs) {
    let mut spec = specs.good.clone();
    spec.secrets.insert("API_KEY".parse().unwrap(), SecretValue::new("canary-5f3a"));
    spec.env.insert("SAY".into(), "API_KEY".into());
    let release = rollout(target, &spec, &options(), &|_| {}).await.unwrap().release;
    let log = target.logs(Some(&release.id), 100).await.unwrap().join("\n");
    assert!(log.contains("API_KEY is ***") && !log.contains("canary"), "{log}");
    assert!(!format!("{spec:?}{release:?}").contains("canary"));
    stop(target, "contract").await.unwrap();
}
