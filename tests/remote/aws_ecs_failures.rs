//! Rollouts on ECS that fail: what is said of why, what serves afterwards, and what AWS refuses.

use std::sync::Mutex;
use std::time::Duration;

use infra_sdk::deploy::{DeployTarget, Observation, Progress, RolloutOptions, rollback, rollout};
use infra_sdk::{Error, ErrorKind};
use serde_json::json;
use support::ecs_fake::{Course, EcsFake, refusal};

use crate::aws_ecs::{bodies, deploy_to, fields, options, spec, target};

/// A service with one release of ours that is good, `web:2`.
async fn served() -> EcsFake {
    let fake = EcsFake::start(&fields());
    deploy_to(&target(&fake), "1").await.unwrap();
    fake.requests();
    fake
}

async fn is_back(fake: &EcsFake) {
    let target = target(fake);
    let seen = target.status().await.unwrap();
    assert_eq!((seen.current.clone().unwrap().as_str(), seen.candidate()), ("web:2", None));
    assert_eq!(target.observe(&seen.current.unwrap()).await.unwrap(), Observation::Healthy);
}

fn told(error: &Error) -> String {
    assert!(!error.hints().is_empty(), "{error:?}");
    error.report().to_string()
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_ends_in_the_release_before_and_the_reason() {
    let fake = served().await;
    fake.next(Course::no_image());
    let steps = Mutex::new(Vec::new());
    let note = |step: Progress| steps.lock().unwrap().push(step);
    let target = target(&fake);
    let error = rollout(&target, &spec("2"), &options(&target), &note).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    let told = told(&error);
    for part in [
        "2 (web:3) did not become healthy: ECS deployment circuit breaker: tasks failed to start; \
         3 tasks stopped: CannotPullContainerError: pull image manifest",
        "serving again: 1 (web:2)",
        "ecr:BatchGetImage",
        "aws logs tail /ecs/web --region eu-central-1 --log-stream-name-prefix web/app/",
        "infra:deploy:logs --release web:3",
    ] {
        assert!(told.contains(part), "{part:?} is not in\n{told}");
    }
    let steps = steps.into_inner().unwrap();
    assert!(steps.iter().any(|step| matches!(step, Progress::GoingBack { .. })));
    let waited =
        steps.iter().filter(|step| step.to_string().contains("still run; a task stopped: CannotPull"));
    assert_eq!(waited.count(), 1, "{steps:?}");
    is_back(&fake).await;
}

#[tokio::test]
async fn a_circuit_breaker_that_went_back_first_is_noticed_and_quoted() {
    let fake = served().await;
    fake.next(Course::crash(true));
    let error = deploy_to(&target(&fake), "2").await.unwrap_err();
    let told = told(&error);
    for part in [
        "ECS went back to web:2 by itself: ECS deployment circuit breaker: tasks failed to start",
        "3 tasks stopped: Essential container in task exited (app: cannot reach the database, exit code 1)",
        "serving again: 1 (web:2)",
    ] {
        assert!(told.contains(part), "{part:?} is not in\n{told}");
    }
    is_back(&fake).await;
}

#[tokio::test]
async fn a_deployment_that_stalls_is_taken_back_after_its_time() {
    let fake = served().await;
    fake.next(Course::Stalls);
    let target = target(&fake);
    let short = RolloutOptions { wait: Duration::from_millis(200), ..options(&target) };
    let error = rollout(&target, &spec("2"), &short, &|_| {}).await.unwrap_err();
    assert!(told(&error).contains("did not become healthy within 0.2 s: 0 of 2 tasks run"), "{error:?}");
    is_back(&fake).await;
}

#[tokio::test]
async fn the_same_release_can_be_tried_again_after_its_deployment_failed() {
    let fake = EcsFake::start(&fields());
    let target = target(&fake);
    fake.next(Course::crash(false));
    let made = target.prepare(&spec("1"), "ada", false).await.unwrap();
    target.activate(&made.id).await.unwrap();
    while !matches!(target.observe(&made.id).await.unwrap(), Observation::Unhealthy { .. }) {}
    fake.requests();
    let report = deploy_to(&target, "1").await.unwrap();
    assert_eq!(report.release.id, made.id);
    assert_eq!(bodies(&fake, "UpdateService")[0]["forceNewDeployment"], true);
}

#[tokio::test]
async fn what_is_not_allowed_names_permission_resource_and_request_and_nothing_is_touched() {
    let fake = served().await;
    let message = "User: arn:aws:sts::123456789012:assumed-role/ci is not authorized to perform: ecs:UpdateService on \
                   resource: arn:aws:ecs:eu-central-1:123456789012:service/acme/web because no identity-based policy \
                   allows the ecs:UpdateService action";
    fake.fault("UpdateService", refusal(400, "AccessDeniedException", message));
    let error = deploy_to(&target(&fake), "2").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    let told = told(&error);
    for part in [
        "permission: ecs:UpdateService, resource: arn:aws:ecs:eu-central-1:123456789012:service/acme/web",
        "on: the service web in the cluster acme",
        "request: request-1",
        "serving: 1 (web:2)",
    ] {
        assert!(told.contains(part), "{part:?} is not in\n{told}");
    }
    is_back(&fake).await;
}

#[tokio::test]
async fn no_step_of_a_rollout_reads_or_writes_another_account() {
    let fake = served().await;
    let aws = crate::aws::aws_at(&fake.url()).for_account("999999999999").unwrap();
    let place = infra_sdk::aws::EcsPlace {
        cluster: "acme".into(),
        service: "web".into(),
        container: Some("app".into()),
    };
    let images = std::sync::Arc::new(support::Pullable(vec![crate::aws_ecs::MANIFEST.to_vec()]));
    let target = infra_sdk::aws::EcsService::new(aws, place, "shop-api".parse().unwrap(), images).unwrap();
    let current = "web:2".parse().unwrap();
    let refused = [
        target.status().await.map(drop),
        target.prepare(&spec("2"), "ada", false).await.map(drop),
        target.activate(&current).await,
        target.accept(&current, 1).await,
        target.stop().await,
    ];
    for refused in refused {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert!(error.to_string().contains("another account"), "{error}");
    }
    let made: Vec<String> = fake.requests().into_iter().map(|(operation, _)| operation).collect();
    assert_eq!(made, ["GetCallerIdentity"], "asked once, and nothing else");
}

#[tokio::test]
async fn a_busy_service_ends_the_wait_only_with_its_time() {
    let fake = served().await;
    let target = target(&fake);
    let made = target.prepare(&spec("2"), "ada", false).await.unwrap();
    target.activate(&made.id).await.unwrap();
    for _ in 0..5 {
        fake.fault("DescribeServices", refusal(400, "ThrottlingException", "Rate exceeded"));
    }
    let error = target.observe(&made.id).await.unwrap_err();
    assert!(error.is_retryable() && error.throttle().is_some(), "{error:?}");
    // As many again for the first look of the wait, which goes on after them.
    for _ in 0..25 {
        fake.fault("ListTasks", refusal(500, "ServerException", "x"));
    }
    deploy_to(&target, "2").await.unwrap();
}

#[tokio::test]
async fn credentials_that_expire_in_the_middle_say_how_to_get_new_ones() {
    let fake = served().await;
    for operation in ["UpdateService", "DescribeServices"] {
        fake.fault(
            operation,
            refusal(400, "ExpiredTokenException", "The security token included is expired"),
        );
    }
    let error = deploy_to(&target(&fake), "2").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(told(&error).contains("aws sso login"), "{error:?}");
}

#[tokio::test]
async fn where_ecs_cannot_be_asked_any_more_nobody_says_what_serves() {
    let fake = served().await;
    fake.next(Course::crash(false));
    let target = target(&fake);
    let expire = |step: Progress| {
        if matches!(step, Progress::GoingBack { .. }) {
            for operation in ["DescribeTaskDefinition", "DescribeServices", "ListTaskDefinitions"] {
                let expired = refusal(400, "ExpiredTokenException", "The security token included is expired");
                (0..9).for_each(|_| fake.fault(operation, expired.clone()));
            }
        }
    };
    let error = rollout(&target, &spec("2"), &options(&target), &expire).await.unwrap_err();
    let told = told(&error);
    assert!(
        told.contains("serving: unknown") && told.contains("1 (web:2) did not come back either"),
        "{told}"
    );
}

#[tokio::test]
async fn a_service_that_cannot_be_rolled_out_on_says_why() {
    let fake = EcsFake::start(&fields());
    for (field, value, kind, says) in [
        ("status", json!("DRAINING"), ErrorKind::Conflict, "being deleted"),
        ("status", json!("INACTIVE"), ErrorKind::Conflict, "being deleted"),
        ("deploymentController", json!({ "type": "CODE_DEPLOY" }), ErrorKind::Invalid, "another program"),
        ("deploymentController", json!({ "type": "EXTERNAL" }), ErrorKind::Invalid, "another program"),
        ("taskDefinition", json!(null), ErrorKind::Conflict, "has no task definition"),
    ] {
        let before = fake.service()[field].clone();
        fake.set(field, value);
        let error = target(&fake).prepare(&spec("1"), "ada", false).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        assert!(told(&error).contains(says), "{error:?}");
        fake.set(field, before);
    }
    assert_eq!(fake.active(), [1]);
}

#[tokio::test]
async fn a_service_or_a_cluster_that_is_not_there_is_named_with_the_setting() {
    use infra_sdk::aws::{EcsPlace, EcsService};
    let fake = EcsFake::start(&fields());
    for (cluster, service, says) in [
        ("acme", "nothing", "the service nothing in the cluster acme is not there"),
        ("nowhere", "web", "ClusterNotFoundException"),
    ] {
        let place = EcsPlace { cluster: cluster.into(), service: service.into(), container: None };
        let images = std::sync::Arc::new(support::Pullable::default());
        let aws = crate::aws::aws_at(&fake.url());
        let target = EcsService::new(aws, place, "shop-api".parse().unwrap(), images).unwrap();
        let error = target.status().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(told(&error).contains(says), "{error:?}");
        assert!(error.hints()[0].contains("[deploy]"), "{error:?}");
    }
}

#[tokio::test]
async fn a_release_that_is_not_kept_is_refused_by_name() {
    let fake = served().await;
    let target = target(&fake);
    for unknown in ["web:99", "web-2", "20200101-000000-000000000000"] {
        let unknown = unknown.parse().unwrap();
        assert_eq!(target.activate(&unknown).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(target.logs(Some(&unknown), 5).await.unwrap_err().kind(), ErrorKind::NotFound);
        let error = rollback(&target, Some(&unknown), &options(&target), &|_| {}).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn what_ecs_says_of_a_bad_definition_is_shown() {
    let fake = served().await;
    let message = "No Fargate configuration exists for given values: 256 CPU, 128 memory.";
    fake.fault("RegisterTaskDefinition", refusal(400, "ClientException", message));
    let error = deploy_to(&target(&fake), "2").await.unwrap_err();
    assert!(told(&error).contains("No Fargate configuration"), "{error:?}");
    is_back(&fake).await;
}
