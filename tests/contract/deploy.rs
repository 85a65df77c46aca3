//! What every deploy target keeps of its contract, as checks over `&dyn DeployTarget`.
//!
//! Each check gets a target of its own on which nothing was rolled out yet, and leaves nothing running. What only a target
//! keeps that starts from nothing and reads what a release prints stands in `deploy_process.rs`.

use std::sync::Mutex;
use std::time::Duration;

use infra_sdk::ErrorKind;
use infra_sdk::config::Deploy;
use infra_sdk::deploy::{
    DeployTarget, Observation, Outcome, Progress, ReleaseSpec, RolloutOptions, history, rollback, rollout,
    status, stop,
};

/// What a target is given to run.
pub(crate) struct Specs {
    /// Becomes healthy.
    pub(crate) good: ReleaseSpec,
    /// Never becomes healthy; it prints `cannot reach the database`.
    pub(crate) broken: ReleaseSpec,
    /// Gives a spec one more secret, in the way the target takes it.
    pub(crate) secret: fn(&mut ReleaseSpec, &str),
}

/// Checks targets on which nothing was rolled out yet; `fresh` makes one with each call.
pub(crate) async fn holds(fresh: &dyn Fn() -> Box<dyn DeployTarget>, specs: &Specs) {
    the_same_again_changes_nothing(&*fresh(), specs).await;
    a_broken_release_is_taken_back(&*fresh(), specs).await;
    a_cancelled_rollout_goes_back(&*fresh(), specs).await;
    rolling_back_starts_the_release_before(&*fresh(), specs).await;
    old_releases_are_forgotten(&*fresh(), specs).await;
    a_stopped_project_can_be_started_again(&*fresh(), specs).await;
}

pub(crate) fn options(target: &dyn DeployTarget) -> RolloutOptions {
    let usual = RolloutOptions::new(target, &Deploy::default(), "contract");
    RolloutOptions { wait: Duration::from_secs(20), ..usual }
}

/// The good spec with one more variable, which makes it another release.
fn variant(specs: &Specs, value: &str) -> ReleaseSpec {
    let mut spec = specs.good.clone();
    spec.env.insert("VARIANT".into(), value.into());
    spec.version = value.into();
    spec
}

/// A release becomes healthy and current; the same again touches nothing, and `force` does.
async fn the_same_again_changes_nothing(target: &dyn DeployTarget, specs: &Specs) {
    let first = rollout(target, &specs.good, &options(target), &|_| {}).await.unwrap();
    assert_eq!(first.outcome, Outcome::RolledOut);
    let seen = target.status().await.unwrap();
    assert_eq!(
        (seen.current.as_ref(), seen.active.as_ref()),
        (Some(&first.release.id), Some(&first.release.id))
    );
    let again = rollout(target, &specs.good, &options(target), &|_| {}).await.unwrap();
    assert_eq!((again.outcome, &again.release.id), (Outcome::Unchanged, &first.release.id));
    let mut secret = specs.good.clone();
    (specs.secret)(&mut secret, "ROTATED");
    let rotated = rollout(target, &secret, &options(target), &|_| {}).await.unwrap();
    assert_eq!(rotated.outcome, Outcome::RolledOut);
    let forced = RolloutOptions { force: true, ..options(target) };
    let forced = rollout(target, &secret, &forced, &|_| {}).await.unwrap();
    assert_ne!(forced.release.id, rotated.release.id);
    stop(target, "contract").await.unwrap();
}

/// A broken release is taken back by itself; the error says why, what it printed and what serves.
async fn a_broken_release_is_taken_back(target: &dyn DeployTarget, specs: &Specs) {
    let good = rollout(target, &specs.good, &options(target), &|_| {}).await.unwrap().release;
    let told = Mutex::new(Vec::new());
    let error = rollout(target, &specs.broken, &options(target), &|step| told.lock().unwrap().push(step))
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

/// A cancelled rollout returns to what served before.
async fn a_cancelled_rollout_goes_back(target: &dyn DeployTarget, specs: &Specs) {
    let good = rollout(target, &specs.good, &options(target), &|_| {}).await.unwrap().release;
    let options = options(target);
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
        made.push(
            rollout(target, &variant(specs, version), &options(target), &|_| {}).await.unwrap().release.id,
        );
    }
    let back = rollback(target, None, &options(target), &|_| {}).await.unwrap();
    assert_eq!((back.outcome, &back.release.id), (Outcome::RolledBack, &made[1]));
    assert_eq!(target.observe(&made[1]).await.unwrap(), Observation::Healthy);
    let further = rollback(target, None, &options(target), &|_| {}).await.unwrap();
    assert_eq!(further.release.id, made[0]);
    let there = rollback(target, Some(&made[2]), &options(target), &|_| {}).await.unwrap();
    assert_eq!(there.release.id, made[2]);
    let unknown = "20200101-000000-000000000000".parse().unwrap();
    let error = rollback(target, Some(&unknown), &options(target), &|_| {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    // What ran before the first of them may be listed, too.
    let listed = history(target).await.unwrap().releases.into_iter().map(|release| release.id);
    let listed: Vec<_> = listed.filter(|id| made.contains(id)).collect();
    assert_eq!(listed, made.into_iter().rev().collect::<Vec<_>>());
    stop(target, "contract").await.unwrap();
}

/// Past releases beyond `keep` are forgotten, the way back never.
async fn old_releases_are_forgotten(target: &dyn DeployTarget, specs: &Specs) {
    let options = RolloutOptions { keep: 1, ..options(target) };
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
    let release = rollout(target, &specs.good, &options(target), &|_| {}).await.unwrap().release;
    assert_eq!(stop(target, "contract").await.unwrap().as_ref(), Some(&release.id));
    assert_ne!(target.observe(&release.id).await.unwrap(), Observation::Healthy);
    assert!(status(target).await.unwrap().to_string().starts_with("stopped"));
    stop(target, "contract").await.unwrap();
    rollout(target, &specs.good, &options(target), &|_| {}).await.unwrap();
    assert_eq!(status(target).await.unwrap().observation, Some(Observation::Healthy));
    stop(target, "contract").await.unwrap();
}
