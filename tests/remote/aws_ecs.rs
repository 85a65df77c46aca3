//! Rollouts on ECS that go well, against a service which progresses as it is told to: what is registered, sent and kept.

use std::sync::Mutex;
use std::time::Duration;

use infra_sdk::Digest;
use infra_sdk::aws::{EcsPlace, EcsService};
use infra_sdk::config::Deploy;
use infra_sdk::deploy::{
    DeployTarget, Observation, Outcome, ReleaseSpec, RolloutOptions, RolloutReport, Takes, ValueFrom,
    history, rollback, rollout, status, stop,
};
use infra_sdk::{Error, ErrorKind};
use serde_json::{Value, json};
use support::ecs_fake::{Course, EcsFake};
use support::{Answer, Pullable};

use crate::aws::aws_at;
use crate::deploy;

pub(crate) const MANIFEST: &[u8] = b"a manifest";

/// A task definition of somebody else's with two containers, and everything that is not ours to change.
pub(crate) fn fields() -> Value {
    json!({
        "family": "web",
        "containerDefinitions": [
            {
                "name": "app", "image": "registry.example/acme/old:0.9", "cpu": 0, "essential": true,
                "portMappings": [{ "containerPort": 8080, "protocol": "tcp", "name": "http" }],
                "environment": [{ "name": "REGION", "value": "eu" }],
                "secrets": [{ "name": "LICENCE", "valueFrom": "/acme/licence" }],
                "logConfiguration": { "logDriver": "awslogs", "options": {
                    "awslogs-group": "/ecs/web", "awslogs-region": "eu-central-1", "awslogs-stream-prefix": "web",
                }},
            },
            { "name": "proxy", "image": "registry.example/acme/proxy:2", "cpu": 0 },
        ],
        "tags": [{ "key": "team", "value": "shop" }],
    })
}

/// Every field of <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterTaskDefinition.html>, and two that do
/// not exist.
const EVERY_FIELD: &str = r#"{
    "family": "web", "taskRoleArn": "arn:aws:iam::123456789012:role/task", "networkMode": "awsvpc",
    "executionRoleArn": "arn:aws:iam::123456789012:role/execution", "cpu": "256", "memory": "512",
    "volumes": [{ "name": "data", "configuredAtLaunch": true, "efsVolumeConfiguration": { "fileSystemId": "fs-1" } }],
    "placementConstraints": [{ "type": "memberOf", "expression": "attribute:ecs.os-type == linux" }],
    "requiresCompatibilities": ["FARGATE"], "pidMode": "task", "ipcMode": "none",
    "proxyConfiguration": { "type": "APPMESH", "containerName": "proxy", "properties": [] },
    "inferenceAccelerators": [{ "deviceName": "d", "deviceType": "t" }],
    "ephemeralStorage": { "sizeInGiB": 21 }, "enableFaultInjection": true,
    "runtimePlatform": { "cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX" },
    "invented": { "deeply": [1, 2.5, null, true] },
    "tags": [],
    "containerDefinitions": [{
        "name": "app", "image": "a:1", "repositoryCredentials": { "credentialsParameter": "arn" }, "cpu": 10,
        "memory": 128, "memoryReservation": 64, "links": ["other"], "essential": true, "entryPoint": ["sh"],
        "portMappings": [{ "containerPort": 80, "hostPort": 80, "appProtocol": "http2" }],
        "restartPolicy": { "enabled": true, "ignoredExitCodes": [0], "restartAttemptPeriod": 60 },
        "command": ["-c", "x"], "environmentFiles": [{ "value": "arn:aws:s3:::b/e", "type": "s3" }],
        "mountPoints": [{ "sourceVolume": "data", "containerPath": "/data", "readOnly": true }],
        "volumesFrom": [{ "sourceContainer": "other" }], "dependsOn": [{ "containerName": "o", "condition": "START" }],
        "linuxParameters": { "initProcessEnabled": true }, "startTimeout": 120, "stopTimeout": 60,
        "versionConsistency": "disabled", "hostname": "h", "user": "1000:1000", "workingDirectory": "/srv",
        "disableNetworking": false, "privileged": false, "readonlyRootFilesystem": true, "dnsServers": ["1.1.1.1"],
        "dnsSearchDomains": ["x"], "extraHosts": [{ "hostname": "a", "ipAddress": "10.0.0.1" }],
        "dockerSecurityOptions": ["no-new-privileges"], "interactive": false, "pseudoTerminal": false,
        "dockerLabels": { "a": "b" }, "ulimits": [{ "name": "nofile", "softLimit": 1, "hardLimit": 2 }],
        "logConfiguration": { "logDriver": "awslogs", "options": {}, "secretOptions": [] },
        "healthCheck": { "command": ["CMD", "x"], "interval": 5 }, "systemControls": [{ "namespace": "n", "value": "v" }],
        "resourceRequirements": [{ "type": "GPU", "value": "1" }], "firelensConfiguration": { "type": "fluentbit" },
        "credentialSpecs": ["credentialspec:x"], "invented": "too"
    }]
}"#;

pub(crate) fn target(fake: &EcsFake) -> EcsService {
    target_at(&fake.url())
}

pub(crate) fn target_at(url: &str) -> EcsService {
    let place = EcsPlace { cluster: "acme".into(), service: "web".into(), container: Some("app".into()) };
    let images = std::sync::Arc::new(Pullable(vec![MANIFEST.to_vec()]));
    let target = EcsService::new(aws_at(url), place, "shop-api".parse().unwrap(), images).unwrap();
    target.poll(Duration::from_millis(2))
}

pub(crate) fn spec(version: &str) -> ReleaseSpec {
    let digest = Digest::of(MANIFEST);
    ReleaseSpec::new("shop-api".parse().unwrap(), "shop-api/app".parse().unwrap(), digest, version)
        .env("VERSION", version)
}

pub(crate) fn options(target: &EcsService) -> RolloutOptions {
    let usual = RolloutOptions::new(target, &Deploy::default(), "ada");
    RolloutOptions { wait: Duration::from_secs(20), ..usual }
}

pub(crate) async fn deploy_to(target: &EcsService, version: &str) -> Result<RolloutReport, Error> {
    rollout(target, &spec(version), &options(target), &|_| {}).await
}

/// The bodies of the requests for one operation since the last call.
pub(crate) fn bodies(fake: &EcsFake, operation: &str) -> Vec<Value> {
    let requests = fake.requests().into_iter();
    requests.filter(|(made, _)| made == operation).map(|(_, body)| body).collect()
}

#[tokio::test]
async fn the_target_holds() {
    let fakes = Mutex::new(Vec::new());
    let fresh = || -> Box<dyn DeployTarget> {
        let fake = EcsFake::start(&fields());
        let made = target(&fake);
        fakes.lock().unwrap().push(fake);
        Box::new(made)
    };
    let secret: fn(&mut ReleaseSpec, &str) = |spec, name| {
        spec.from.insert(name.into(), ValueFrom::new("/shop/another").at("1"));
    };
    let specs = deploy::Specs { good: spec("1.0.0"), broken: spec("1.1.0").env("BROKEN", "exit"), secret };
    deploy::holds(&fresh, &specs).await;
}

#[tokio::test]
async fn a_revision_is_the_running_one_with_another_image_and_other_variables() {
    let fake = EcsFake::start(&fields());
    let target = target(&fake);
    assert_eq!(target.habits().takes, Takes::Places);
    let mut wanted = spec("1.4.0");
    wanted.from.insert("DATABASE_URL".into(), ValueFrom::new("/shop-api/staging/DATABASE_URL").at("3"));
    let report = rollout(&target, &wanted, &options(&target), &|_| {}).await.unwrap();
    assert_eq!((report.release.id.as_str(), report.outcome), ("web:2", Outcome::RolledOut));
    assert_eq!(report.before.unwrap().version, "0.9");

    let made = fake.revision(2);
    let app = &made["containerDefinitions"][0];
    assert_eq!(app["image"], format!("registry.example/acme/shop-api/app@{}", wanted.digest));
    let variable = |name: &str, value: &str| json!({ "name": name, "value": value });
    assert_eq!(
        app["environment"],
        json!([variable("REGION", "eu"), variable("PORT", "8080"), variable("VERSION", "1.4.0")])
    );
    let place = |name: &str, from: &str| json!({ "name": name, "valueFrom": from });
    let places =
        json!([place("LICENCE", "/acme/licence"), place("DATABASE_URL", "/shop-api/staging/DATABASE_URL")]);
    assert_eq!(app["secrets"], places);
    assert_eq!(made["containerDefinitions"][1], fields()["containerDefinitions"][1]);
    let tags = made["tags"].as_array().unwrap();
    let tag = |key: &str| tags.iter().find(|tag| tag["key"] == key).map(|tag| tag["value"].as_str().unwrap());
    assert_eq!((tag("team"), tag("infra-sdk:version")), (Some("shop"), Some("1.4.0")));
    assert_eq!((tag("infra-sdk:by"), tag("infra-sdk:before")), (Some("ada"), Some("web:1")));
    assert!(tag("infra-sdk:accepted").is_some());

    let update = &bodies(&fake, "UpdateService")[0];
    assert!(update.get("desiredCount").is_none(), "scaling has its own count: {update}");
    assert!(update["taskDefinition"].as_str().unwrap().ends_with(":task-definition/web:2"));
}

#[tokio::test]
async fn no_field_of_a_definition_is_lost_whether_it_is_known_or_not() {
    let whole: Value = serde_json::from_str(EVERY_FIELD).unwrap();
    let fake = EcsFake::start(&whole);
    deploy_to(&target(&fake), "1.0.0").await.unwrap();
    let sent = &bodies(&fake, "RegisterTaskDefinition")[0];
    for (name, value) in whole.as_object().unwrap() {
        if !["containerDefinitions", "tags"].contains(&name.as_str()) {
            assert_eq!(&sent[name], value, "{name}");
        }
    }
    let (before, after) = (&whole["containerDefinitions"][0], &sent["containerDefinitions"][0]);
    for (name, value) in before.as_object().unwrap() {
        match name.as_str() {
            "image" => assert_ne!(&after[name], value),
            "dockerLabels" => assert_eq!(after[name]["a"], "b"),
            _ => assert_eq!(&after[name], value, "{name}"),
        }
    }
    let new: Vec<&String> =
        after.as_object().unwrap().keys().filter(|name| before.get(*name).is_none()).collect();
    assert_eq!(new, ["environment"]);
    let labels = after["dockerLabels"].as_object().unwrap();
    assert_eq!(labels.keys().collect::<Vec<_>>(), ["a", "infra-sdk.variables"]);
}

#[tokio::test]
async fn a_variable_that_is_set_no_more_goes_away_and_others_stay() {
    let fake = EcsFake::start(&fields());
    let target = target(&fake);
    let mut first = spec("1").env("GONE_SOON", "x").env("REGION", "us");
    first.from.insert("TOKEN".into(), ValueFrom::new("/shop/TOKEN"));
    rollout(&target, &first, &options(&target), &|_| {}).await.unwrap();
    deploy_to(&target, "2").await.unwrap();
    let app = &fake.revision(3)["containerDefinitions"][0];
    let names = |field: &str| -> Vec<String> {
        let items = app[field].as_array().unwrap();
        items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    // What a release has taken over from the definition is its own from then on.
    assert_eq!(names("environment"), ["PORT", "VERSION"]);
    assert_eq!(names("secrets"), ["LICENCE"]);
}

#[tokio::test]
async fn a_rotated_secret_makes_another_release_and_an_equal_one_does_not() {
    let fake = EcsFake::start(&fields());
    let target = target(&fake);
    let at = |version: &str| {
        let mut spec = spec("1");
        spec.from.insert("TOKEN".into(), ValueFrom::new("/shop/TOKEN").at(version));
        spec
    };
    let outcome =
        async |version| rollout(&target, &at(version), &options(&target), &|_| {}).await.unwrap().outcome;
    assert_eq!(outcome("1").await, Outcome::RolledOut);
    assert_eq!(outcome("1").await, Outcome::Unchanged);
    assert_eq!(outcome("2").await, Outcome::RolledOut);
    assert_eq!(fake.active(), [1, 2, 3]);
}

#[tokio::test]
async fn a_value_of_a_secret_is_refused_before_anything_is_asked() {
    let fake = EcsFake::start(&fields());
    let mut spec = spec("1");
    spec.secrets.insert("TOKEN".parse().unwrap(), infra_sdk::SecretValue::new("canary-ecs"));
    let error = target(&fake).prepare(&spec, "ada", false).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("TOKEN"), "{error}");
    assert!(fake.requests().is_empty());
}

#[tokio::test]
async fn an_image_that_nobody_pushed_is_not_rolled_out() {
    let fake = EcsFake::start(&fields());
    let mut spec = spec("1");
    spec.digest = Digest::of(b"another manifest");
    let error = target(&fake).prepare(&spec, "ada", false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.hints()[0].contains("infra:image:push"), "{error:?}");
    assert_eq!(fake.active(), [1]);
}

#[tokio::test]
async fn a_registry_that_only_this_machine_has_is_refused() {
    let (fake, scratch) = (EcsFake::start(&fields()), support::Scratch::new("ecs-local-images"));
    let place = EcsPlace { cluster: "acme".into(), service: "web".into(), container: Some("app".into()) };
    let images = std::sync::Arc::new(infra_sdk::local::LocalRegistry::new(scratch.join("registry")));
    let target = EcsService::new(aws_at(&fake.url()), place, "shop-api".parse().unwrap(), images).unwrap();
    let error = target.prepare(&spec("1"), "ada", false).await.unwrap_err();
    assert!(
        error.to_string().contains("no task of ECS can pull") && error.hints()[0].contains("`registry`"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_port_that_the_container_does_not_open_is_named() {
    let fake = EcsFake::start(&fields());
    let target = target(&fake);
    let mut spec = spec("1");
    spec.port = Some(9090);
    let error = target.prepare(&spec, "ada", false).await.unwrap_err();
    assert!(error.to_string().contains("9090") && error.to_string().contains("open: 8080"), "{error}");
    spec.port = Some(8080);
    target.prepare(&spec, "ada", false).await.unwrap();
}

#[tokio::test]
async fn a_container_must_be_named_where_there_are_several() {
    let fake = EcsFake::start(&fields());
    let images = std::sync::Arc::new(Pullable(vec![MANIFEST.to_vec()]));
    for (container, says) in
        [(None, "several containers"), (Some("other".to_owned()), "no container `other`")]
    {
        let place = EcsPlace { cluster: "acme".into(), service: "web".into(), container };
        let target =
            EcsService::new(aws_at(&fake.url()), place, "shop-api".parse().unwrap(), images.clone()).unwrap();
        let error = target.prepare(&spec("1"), "ada", false).await.unwrap_err();
        assert!(error.to_string().contains(says) && error.to_string().contains("app, proxy"), "{error}");
        assert!(error.hints()[0].contains("`container`"));
    }
}

#[tokio::test]
async fn progress_is_told_as_it_changes() {
    let fake = EcsFake::start(&fields());
    let target = target(&fake);
    fake.next(Course::Completes(6));
    let told = Mutex::new(Vec::new());
    let note = |step: infra_sdk::deploy::Progress| told.lock().unwrap().push(step.to_string());
    rollout(&target, &spec("1"), &options(&target), &note).await.unwrap();
    let told = told.into_inner().unwrap();
    let waiting: Vec<&String> = told.iter().filter(|line| line.starts_with("not healthy yet")).collect();
    assert_eq!(
        waiting,
        [
            "not healthy yet: 0 of 2 tasks run, 1 starting, 2 of before still run; has started 1 tasks: (task 1)",
            "not healthy yet: 1 of 2 tasks run, 1 starting, 2 of before still run; has started 1 tasks: (task 1)",
        ]
    );
    assert!(told.last().unwrap().starts_with("1 (web:2) is healthy"), "{told:?}");
}

#[tokio::test]
async fn an_answer_from_before_the_change_is_no_reason_to_go_back() {
    let fake = EcsFake::start(&fields());
    let target = target(&fake);
    fake.lag(3);
    let report = deploy_to(&target, "1").await.unwrap();
    assert_eq!((report.outcome, report.release.id.as_str()), (Outcome::RolledOut, "web:2"));
}

#[tokio::test]
async fn a_service_that_was_stopped_comes_back_with_the_tasks_it_had() {
    let fake = EcsFake::start(&fields());
    let target = target(&fake);
    let first = deploy_to(&target, "1").await.unwrap().release;
    assert_eq!(stop(&target, "ada").await.unwrap(), Some(first.id.clone()));
    assert_eq!(
        (fake.service()["desiredCount"].as_u64(), fake.service()["runningCount"].as_u64()),
        (Some(0), Some(0))
    );
    assert!(status(&target).await.unwrap().to_string().starts_with("stopped; 1 (web:2) ran last"));
    fake.requests();
    let second = deploy_to(&target, "2").await.unwrap();
    assert_eq!(bodies(&fake, "UpdateService")[0]["desiredCount"], 2);
    assert_eq!(fake.service()["tags"], json!([]), "what was remembered is forgotten");
    assert_eq!(target.observe(&second.release.id).await.unwrap(), Observation::Healthy);
}

#[tokio::test]
async fn a_service_that_never_ran_starts_with_one_task_and_a_daemon_has_no_count() {
    let fake = EcsFake::start(&fields());
    fake.set("desiredCount", 0.into());
    deploy_to(&target(&fake), "1").await.unwrap();
    assert_eq!(bodies(&fake, "UpdateService")[0]["desiredCount"], 1);

    fake.set("schedulingStrategy", "DAEMON".into());
    fake.set("desiredCount", 0.into());
    deploy_to(&target(&fake), "2").await.unwrap();
    assert!(bodies(&fake, "UpdateService")[0].get("desiredCount").is_none());
    let error = stop(&target(&fake), "ada").await.unwrap_err();
    assert!(error.to_string().contains("each machine") && !error.hints().is_empty(), "{error}");
}

#[tokio::test]
async fn what_ran_before_the_first_rollout_is_the_way_back_and_is_never_deregistered() {
    let fake = EcsFake::start(&fields());
    let target = target(&fake);
    let listed = history(&target).await.unwrap();
    assert_eq!(listed.current.unwrap().as_str(), "web:1");
    assert!(listed.releases[0].digest.is_none());
    deploy_to(&target, "1").await.unwrap();
    let back = rollback(&target, None, &options(&target), &|_| {}).await.unwrap();
    assert_eq!((back.outcome, back.release.id.as_str()), (Outcome::RolledBack, "web:1"));
    let foreign = fake.register(&fields());
    for version in ["2", "3", "4", "5"] {
        let options = RolloutOptions { keep: 1, ..options(&target) };
        rollout(&target, &spec(version), &options, &|_| {}).await.unwrap();
    }
    let kept = fake.active();
    assert!(kept.contains(&1) && kept.contains(&foreign), "{kept:?}");
    assert_eq!(kept.len(), 4, "the two of others, and the last two: {kept:?}");
}

#[tokio::test]
async fn a_revision_that_somebody_else_set_is_the_one_that_the_next_is_made_from() {
    let fake = EcsFake::start(&fields());
    let target = target(&fake);
    deploy_to(&target, "1").await.unwrap();
    let mut terraform = fields();
    terraform["containerDefinitions"][0]["cpu"] = 512.into();
    let theirs = fake.register(&terraform);
    fake.set_to(theirs);
    let seen = target.status().await.unwrap();
    assert_eq!((seen.current.as_ref(), seen.candidate()), (seen.active.as_ref(), None));
    fake.next(Course::crash(false));
    let error = deploy_to(&target, "2").await.unwrap_err();
    assert!(error.to_string().contains("serving again: 0.9 (web:3)"), "{error}");
    deploy_to(&target, "3").await.unwrap();
    assert_eq!(fake.revision(5)["containerDefinitions"][0]["cpu"], 512);
}

#[tokio::test]
async fn a_rollout_that_was_killed_is_completed_by_the_next_one() {
    let fake = EcsFake::start(&fields());
    let before = target(&fake);
    deploy_to(&before, "1").await.unwrap();
    // It was killed after the service was set to its release.
    let killed = before.prepare(&spec("2"), "ada", false).await.unwrap();
    before.activate(&killed.id).await.unwrap();
    let target = target(&fake);
    let seen = status(&target).await.unwrap();
    assert!(seen.to_string().contains("interrupted; 1 (web:2) was good"), "{seen}");
    let report = deploy_to(&target, "2").await.unwrap();
    assert_eq!((report.release.id, report.before.unwrap().version.as_str()), (killed.id, "1"));
    assert_eq!(fake.active(), [1, 2, 3], "no other revision was made");
}

/// ECS has some twenty requests a second for an account: <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html>.
#[tokio::test]
async fn a_rollout_makes_few_requests() {
    let fake = EcsFake::start(&fields());
    let target = target(&fake);
    for version in ["1", "2", "3"] {
        deploy_to(&target, version).await.unwrap();
    }
    fake.requests();
    fake.next(Course::Completes(4));
    deploy_to(&target, "4").await.unwrap();
    let mut counts = std::collections::BTreeMap::new();
    for (operation, _) in fake.requests() {
        *counts.entry(operation).or_insert(0) += 1;
    }
    let writes = |operation: &str| counts.get(operation).copied().unwrap_or_default();
    for once in ["RegisterTaskDefinition", "UpdateService", "TagResource"] {
        assert_eq!(writes(once), 1, "{counts:?}");
    }
    assert_eq!(writes("DeregisterTaskDefinition"), 0, "{counts:?}");
    let all: i32 = counts.values().sum();
    assert!(all <= 30, "{all}: {counts:?}");
    println!("{all} requests for a rollout with four releases that is healthy at the third look: {counts:?}");
}

#[tokio::test]
async fn a_busy_service_is_asked_again_and_the_rollout_goes_on() {
    let fake = EcsFake::start(&fields());
    let target = target(&fake);
    let throttled = support::ecs_fake::refusal(400, "ThrottlingException", "Rate exceeded");
    let html = Answer::Whole(503, vec![("content-type", "text/html".into())], "<html>busy</html>".into());
    for operation in
        ["DescribeServices", "RegisterTaskDefinition", "UpdateService", "TagResource", "ListTasks"]
    {
        fake.fault(operation, throttled.clone());
        fake.fault(operation, html.clone());
    }
    // More than one look can repeat: they are part of the wait.
    fake.next(Course::Completes(3));
    let report = deploy_to(&target, "1").await.unwrap();
    assert_eq!(report.outcome, Outcome::RolledOut);
}
