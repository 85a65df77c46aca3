//! Rollouts on ECS while somebody else changes the same service, with or without the lock.

use std::time::Duration;

use infra_sdk::ErrorKind;
use infra_sdk::deploy::{DeployTarget, Outcome, Progress, history, rollback, rollout};
use infra_sdk::time::Timestamp;
use serde_json::json;
use support::ecs_fake::{Course, EcsFake};

use crate::aws_ecs::{bodies, deploy_to, fields, options, spec, target};

async fn served() -> EcsFake {
    let fake = EcsFake::start(&fields());
    deploy_to(&target(&fake), "1").await.unwrap();
    fake.requests();
    fake
}

#[tokio::test]
async fn a_rollout_that_lost_its_lock_touches_nothing_more() {
    let fake = served().await;
    fake.next(Course::Stalls);
    let target = target(&fake);
    let options = options(&target);
    let lost = options.lost.clone();
    let lose = |step: Progress| {
        if matches!(step, Progress::Waiting { .. }) {
            lost.cancel();
        }
    };
    let error = rollout(&target, &spec("2"), &options, &lose).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let told = error.report().to_string();
    assert!(
        told.contains("the lock of the rollout was lost") && told.contains("infra:deploy:status"),
        "{told}"
    );
    assert_eq!(bodies(&fake, "UpdateService").len(), 1, "only its own start");
}

#[tokio::test]
async fn what_somebody_else_set_meanwhile_is_left_as_it_is() {
    let fake = served().await;
    fake.next(Course::Stalls);
    let target = target(&fake);
    let another = fake.register(&fields());
    let step_in = |step: Progress| {
        if matches!(step, Progress::Waiting { .. }) {
            fake.set_to(another);
        }
    };
    let error = rollout(&target, &spec("2"), &options(&target), &step_in).await.unwrap_err();
    let told = error.report().to_string();
    assert!(told.contains("somebody else has set that meanwhile"), "{told}");
    assert_eq!(bodies(&fake, "UpdateService").len(), 1, "{told}");
    let runs = fake.service()["taskDefinition"].as_str().unwrap().to_owned();
    assert!(runs.ends_with(&format!("web:{another}")), "{runs}");
}

#[tokio::test]
async fn a_service_that_is_still_shown_as_stopped_is_waited_for() {
    let fake = EcsFake::start(&fields());
    for count in ["desiredCount", "runningCount"] {
        fake.set(count, json!(0));
    }
    fake.lag(3);
    let report = deploy_to(&target(&fake), "1").await.unwrap();
    assert_eq!((report.outcome, report.release.id.as_str()), (Outcome::RolledOut, "web:2"));
}

#[tokio::test]
async fn the_release_that_was_accepted_last_is_the_good_one_whatever_another_clock_said() {
    let fake = served().await;
    let ahead = Timestamp::now().plus(Duration::from_secs(3600)).to_string();
    fake.retag(2, "infra-sdk:accepted", &ahead);
    let (target, second) = (target(&fake), "2");
    let release = deploy_to(&target, second).await.unwrap().release;
    assert_eq!(target.status().await.unwrap().current, Some(release.id));
}

#[tokio::test]
async fn the_release_before_is_the_revision_before_whatever_another_clock_said() {
    let fake = served().await;
    for version in ["2", "3"] {
        deploy_to(&target(&fake), version).await.unwrap();
    }
    // Made by a machine whose clock is an hour ahead of that which made the next one.
    fake.retag(3, "infra-sdk:created", &Timestamp::now().plus(Duration::from_secs(3600)).to_string());
    let target = target(&fake);
    let listed = history(&target).await.unwrap().releases;
    let listed: Vec<&str> = listed.iter().map(|release| release.id.as_str()).collect();
    assert_eq!(listed, ["web:4", "web:3", "web:2", "web:1"]);
    let back = rollback(&target, None, &options(&target), &|_| {}).await.unwrap();
    assert_eq!(back.release.id.as_str(), "web:3");
}
