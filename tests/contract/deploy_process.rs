//! What a deploy target keeps of its contract that starts from nothing, is claimed by one and reads what a release prints.

use infra_sdk::deploy::{DeployTarget, ReleaseSpec, rollback, rollout, status, stop};
use infra_sdk::{ErrorKind, SecretValue};

use crate::deploy::{Specs, options};

/// Checks targets on which nothing was rolled out yet; `fresh` makes one with each call.
pub(crate) async fn holds(fresh: &dyn Fn() -> Box<dyn DeployTarget>, specs: &Specs) {
    an_unused_target_is_empty(&*fresh()).await;
    a_broken_first_release_is_stopped(&*fresh(), specs).await;
    a_second_rollout_is_refused_by_name(&*fresh(), specs).await;
    secrets_are_masked_in_the_log(&*fresh(), specs).await;
}

/// A target nobody used says so, and has nothing to stop or to go back to.
async fn an_unused_target_is_empty(target: &dyn DeployTarget) {
    assert_eq!(target.status().await.unwrap(), Default::default());
    assert!(status(target).await.unwrap().to_string().contains("nothing was rolled out"));
    assert!(target.logs(None, 5).await.unwrap().is_empty());
    assert_eq!(stop(target, "contract").await.unwrap(), None);
    let error = rollback(target, None, &options(target), &|_| {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let nowhere = "20200101-000000-000000000000".parse().unwrap();
    assert_eq!(target.activate(&nowhere).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(target.logs(Some(&nowhere), 1).await.unwrap_err().kind(), ErrorKind::NotFound);
}

/// When the first release ever is broken it is stopped, because there is none to go back to.
async fn a_broken_first_release_is_stopped(target: &dyn DeployTarget, specs: &Specs) {
    let error = rollout(target, &specs.broken, &options(target), &|_| {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert!(error.hints().iter().any(|hint| hint.contains("first release")), "{:?}", error.hints());
    let seen = target.status().await.unwrap();
    assert_eq!((seen.current, seen.active), (None, None));
}

/// While one holds the claim, a second rollout is refused with the holder's name.
async fn a_second_rollout_is_refused_by_name(target: &dyn DeployTarget, specs: &Specs) {
    let held = target.claim("release train").await.unwrap();
    let error = rollout(target, &specs.good, &options(target), &|_| {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(error.to_string().contains("release train"), "{error}");
    drop(held);
    drop(target.claim("next").await.unwrap());
}

/// Secrets reach the service and no line of its log.
async fn secrets_are_masked_in_the_log(target: &dyn DeployTarget, specs: &Specs) {
    let mut spec: ReleaseSpec = specs.good.clone();
    spec.secrets.insert("API_KEY".parse().unwrap(), SecretValue::new("canary-5f3a"));
    spec.env.insert("SAY".into(), "API_KEY".into());
    let release = rollout(target, &spec, &options(target), &|_| {}).await.unwrap().release;
    let log = target.logs(Some(&release.id), 100).await.unwrap().join("\n");
    assert!(log.contains("API_KEY is ***") && !log.contains("canary"), "{log}");
    assert!(!format!("{spec:?}{release:?}").contains("canary"));
    stop(target, "contract").await.unwrap();
}
