//! Rollouts on ECS where the revision that serves was deregistered, as Terraform does with what it replaces: ECS sets no
//! service to it again, and a failure still has a way back.

use std::time::Duration;

use infra_sdk::ErrorKind;
use infra_sdk::deploy::{
    DeployTarget, Observation, Outcome, Progress, RolloutOptions, rollback, rollout, status,
};
use serde_json::{Value, json};
use support::ecs_fake::{Course, EcsFake, refusal};

use crate::aws_ecs::{bodies, deploy_to, fields, options, spec, target};

/// A service that runs `web:1`, which Terraform has replaced.
fn replaced() -> EcsFake {
    let fake = EcsFake::start(&fields());
    fake.deregister(1);
    fake
}

fn runs(fake: &EcsFake) -> String {
    let runs = fake.service()["taskDefinition"].as_str().unwrap().to_owned();
    runs.rsplit('/').next().unwrap().to_owned()
}

fn tag(revision: &Value, key: &str) -> Option<String> {
    let tags = revision["tags"].as_array().unwrap();
    tags.iter().find(|tag| tag["key"] == key).map(|tag| tag["value"].as_str().unwrap().to_owned())
}

/// What serves is healthy, is the release that should run, and holds what `web:1` does.
async fn is_back(fake: &EcsFake, revision: &str) {
    let target = target(fake);
    assert_eq!(runs(fake), revision);
    let seen = target.status().await.unwrap();
    assert_eq!((seen.current.as_ref().unwrap().as_str(), seen.candidate()), (revision, None));
    assert_eq!(target.observe(&seen.current.unwrap()).await.unwrap(), Observation::Healthy);
    let number = revision.rsplit(':').next().unwrap().parse().unwrap();
    assert_eq!(fake.revision(number)["containerDefinitions"], fields()["containerDefinitions"]);
}

#[tokio::test]
async fn a_release_that_fails_goes_back_to_what_terraform_has_deregistered() {
    let fake = replaced();
    fake.next(Course::crash(false));
    let error = deploy_to(&target(&fake), "1").await.unwrap_err();
    let told = error.report().to_string();
    assert!(told.contains("serving again: 0.9 (web:2)"), "{told}");
    let writes: Vec<String> = fake
        .requests()
        .into_iter()
        .map(|(operation, _)| operation)
        .filter(|operation| ["Register", "Update"].iter().any(|write| operation.starts_with(write)))
        .collect();
    let register = "RegisterTaskDefinition";
    assert_eq!(writes, [register, register, "UpdateService", "UpdateService"], "the way back is made first");
    assert_eq!(tag(&fake.revision(2), "team").as_deref(), Some("shop"), "nothing of it is lost");
    is_back(&fake, "web:2").await;

    // It is a release like others from then on.
    deploy_to(&target(&fake), "2").await.unwrap();
    let target = target(&fake);
    let back = rollback(&target, None, &options(&target), &|_| {}).await.unwrap();
    assert_eq!((back.outcome, back.release.id.as_str()), (Outcome::RolledBack, "web:2"));
    is_back(&fake, "web:2").await;
}

#[tokio::test]
async fn where_ecs_went_back_first_what_serves_can_be_started_again_too() {
    let fake = replaced();
    fake.next(Course::crash(true));
    let error = deploy_to(&target(&fake), "1").await.unwrap_err();
    assert!(error.to_string().contains("serving again: 0.9 (web:2)"), "{error}");
    is_back(&fake, "web:2").await;
}

#[tokio::test]
async fn a_rollback_that_fails_goes_back_to_what_terraform_has_deregistered() {
    let fake = EcsFake::start(&fields());
    let ours = deploy_to(&target(&fake), "1").await.unwrap().release.id;
    let theirs = fake.register(&fields());
    fake.set_to(theirs);
    fake.deregister(theirs);
    fake.next(Course::crash(false));
    let target = target(&fake);
    let error = rollback(&target, Some(&ours), &options(&target), &|_| {}).await.unwrap_err();
    assert!(error.to_string().contains("serving again: 0.9 (web:4)"), "{error}");
    assert_eq!(tag(&fake.revision(4), "infra-sdk:stands-for").as_deref(), Some("web:3"));
    is_back(&fake, "web:4").await;
}

#[tokio::test]
async fn a_rollout_that_was_killed_still_has_its_way_back_after_it_was_deregistered() {
    let fake = EcsFake::start(&fields());
    let killed = target(&fake);
    let candidate = killed.prepare(&spec("1"), "ada", false).await.unwrap();
    killed.activate(&candidate.id).await.unwrap();
    fake.deregister(1);
    let next = target(&fake);
    let seen = next.status().await.unwrap();
    assert_eq!((seen.current.unwrap().as_str(), seen.active), ("web:1", Some(candidate.id)));
    fake.next(Course::crash(false));
    let error = deploy_to(&next, "2").await.unwrap_err();
    assert!(error.to_string().contains("serving again: 0.9 (web:3)"), "{error}");
    is_back(&fake, "web:3").await;
}

#[tokio::test]
async fn what_is_deregistered_while_a_rollout_goes_on_is_gone_back_to_all_the_same() {
    let fake = EcsFake::start(&fields());
    fake.next(Course::Stalls);
    let target = target(&fake);
    let short = RolloutOptions { wait: Duration::from_millis(200), ..options(&target) };
    let replace = |step: Progress| {
        if matches!(step, Progress::Waiting { .. }) {
            fake.deregister(1);
        }
    };
    let error = rollout(&target, &spec("1"), &short, &replace).await.unwrap_err();
    assert!(error.to_string().contains("serving again: 0.9 (web:3)"), "{error}");
    is_back(&fake, "web:3").await;
}

#[tokio::test]
async fn without_a_way_back_nothing_is_rolled_out() {
    let fake = replaced();
    let message = "User: x is not authorized to perform: ecs:RegisterTaskDefinition on resource: *";
    fake.fault("RegisterTaskDefinition", refusal(400, "AccessDeniedException", message));
    let error = deploy_to(&target(&fake), "1").await.unwrap_err();
    let told = error.report().to_string();
    assert_eq!(error.kind(), ErrorKind::Denied);
    for part in ["in the place of: web:1", "skip_destroy = true", "ecs:RegisterTaskDefinition"] {
        assert!(told.contains(part), "{part:?} is not in\n{told}");
    }
    assert!(bodies(&fake, "UpdateService").is_empty());
    assert_eq!(runs(&fake), "web:1");
}

#[tokio::test]
async fn a_way_back_that_was_made_and_not_used_is_used_by_the_next_rollout() {
    let fake = replaced();
    fake.fault("UpdateService", refusal(400, "AccessDeniedException", "no"));
    let error = deploy_to(&target(&fake), "1").await.unwrap_err();
    assert!(error.to_string().contains("serving: 0.9 (web:1)"), "nothing was touched: {error}");
    fake.next(Course::crash(false));
    deploy_to(&target(&fake), "2").await.unwrap_err();
    is_back(&fake, "web:2").await;
    let stand_ins = (1..=4).filter(|number| tag(&fake.revision(*number), "infra-sdk:stands-for").is_some());
    assert_eq!(stand_ins.count(), 1);
}

#[tokio::test]
async fn whoever_looks_is_told_that_what_serves_was_deregistered_and_how_to_avoid_it() {
    let fake = replaced();
    let target = target(&fake);
    let seen = status(&target).await.unwrap();
    assert_eq!(seen.observation, Some(Observation::Healthy));
    let shown = seen.to_string();
    assert!(shown.contains("0.9 (web:1) is healthy") && shown.contains("skip_destroy = true"), "{shown}");
    assert!(target.logs(None, 5).await.unwrap()[0].contains("aws logs tail /ecs/web"));
    let error = target.activate(&"web:1".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("deregistered") && error.hints()[0].contains("skip_destroy"));
    assert_eq!(fake.active(), Vec::<u64>::new(), "looking writes nothing");
}

#[tokio::test]
async fn a_release_of_ours_that_was_deregistered_is_made_anew_by_the_same_command() {
    let fake = EcsFake::start(&fields());
    deploy_to(&target(&fake), "1").await.unwrap();
    fake.deregister(2);
    let report = deploy_to(&target(&fake), "1").await.unwrap();
    assert_eq!((report.outcome, report.release.id.as_str()), (Outcome::RolledOut, "web:4"));
    let target = target(&fake);
    assert_eq!(status(&target).await.unwrap().warning, None);
    let back = rollback(&target, None, &options(&target), &|_| {}).await.unwrap();
    assert_eq!(back.release.id.as_str(), "web:3", "it stands for the one that was deregistered");
    assert_eq!(fake.revision(3)["containerDefinitions"], fake.revision(2)["containerDefinitions"]);
    assert_ne!(fake.revision(3)["tags"], json!([]));
}
