//! Rollouts on ECS while somebody else changes the same service, with or without the lock.

use infra_sdk::ErrorKind;
use infra_sdk::deploy::{Progress, rollout};
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
