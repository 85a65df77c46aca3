//! What the emulator moto knows of ECS, read back by AWS's own client for Python: definitions, tags, the service's settings.
//!
//! It has no rollouts: after a change it still shows the deployment of before, so nobody waits for health here.

use std::sync::Arc;
use std::time::Duration;

use infra_sdk::Digest;
use infra_sdk::aws::{EcsPlace, EcsService};
use infra_sdk::deploy::{DeployTarget, Observation, ReleaseSpec, ValueFrom, history, status, stop};
use serde_json::Value;
use support::{Moto, Pullable};

use crate::aws::aws_at;

const MANIFEST: &[u8] = b"a manifest";

/// A service `NAME` in a cluster `NAME`, with the task definition `NAME:1`.
const MAKE: &str = r#"
ecs = client('ecs')
ecs.create_cluster(clusterName=NAME)
ecs.register_task_definition(
    family=NAME, networkMode='awsvpc', cpu='256', memory='512', requiresCompatibilities=['FARGATE'],
    executionRoleArn='arn:aws:iam::123456789012:role/execution', taskRoleArn='arn:aws:iam::123456789012:role/task',
    volumes=[{'name': 'data', 'host': {}}], tags=[{'key': 'team', 'value': 'shop'}],
    containerDefinitions=[{
        'name': 'app', 'image': 'registry.example/acme/shop-api/app:0.9', 'cpu': 10, 'memory': 128, 'essential': True,
        'environment': [{'name': 'REGION', 'value': 'eu'}], 'portMappings': [{'containerPort': 8080}],
        'healthCheck': {'command': ['CMD', 'true'], 'interval': 5}, 'ulimits': [{'name': 'nofile', 'softLimit': 1, 'hardLimit': 2}],
    }])
ecs.create_service(cluster=NAME, serviceName=NAME, taskDefinition=NAME, desiredCount=2, tags=[{'key': 'team', 'value': 'shop'}])
"#;

fn made(moto: &Moto, name: &str) -> EcsService {
    moto.python(&format!("NAME = '{name}'\n{MAKE}"));
    let place = EcsPlace { cluster: name.into(), service: name.into(), container: None };
    let images = Arc::new(Pullable(vec![MANIFEST.to_vec()]));
    let target = EcsService::new(aws_at(&moto.url()), place, "shop-api".parse().unwrap(), images).unwrap();
    target.poll(Duration::from_millis(2))
}

fn spec(version: &str) -> ReleaseSpec {
    let digest = Digest::of(MANIFEST);
    let spec =
        ReleaseSpec::new("shop-api".parse().unwrap(), "shop-api/app".parse().unwrap(), digest, version);
    spec.env("VERSION", version)
}

fn json(moto: &Moto, script: &str) -> Value {
    serde_json::from_str(&moto.python(&format!("print(json.dumps({script}, default=str))"))).unwrap()
}

#[tokio::test]
async fn a_release_is_what_boto3_sees_of_it() {
    let moto = Moto::shared();
    let target = made(&moto, "ecs-sees");
    let before = history(&target).await.unwrap();
    assert_eq!(before.current.unwrap().as_str(), "ecs-sees:1");
    assert_eq!(before.releases[0].version, "0.9");

    let mut wanted = spec("1.4.0");
    wanted.from.insert("TOKEN".into(), ValueFrom::new("/shop-api/staging/TOKEN").at("3"));
    let release = target.prepare(&wanted, "ada", false).await.unwrap();
    assert_eq!(release.id.as_str(), "ecs-sees:2");
    let seen =
        json(&moto, "client('ecs').describe_task_definition(taskDefinition='ecs-sees:2', include=['TAGS'])");
    let first =
        json(&moto, "client('ecs').describe_task_definition(taskDefinition='ecs-sees:1', include=['TAGS'])");
    let (now, then) = (&seen["taskDefinition"], &first["taskDefinition"]);
    for field in [
        "networkMode",
        "cpu",
        "memory",
        "requiresCompatibilities",
        "executionRoleArn",
        "taskRoleArn",
        "volumes",
    ] {
        assert_eq!(now[field], then[field], "{field}");
        assert!(!now[field].is_null(), "{field}");
    }
    let (app, app_then) = (&now["containerDefinitions"][0], &then["containerDefinitions"][0]);
    for field in ["cpu", "memory", "essential", "portMappings", "healthCheck", "ulimits"] {
        assert_eq!(app[field], app_then[field], "{field}");
    }
    assert_eq!(app["image"], format!("registry.example/acme/shop-api/app@{}", wanted.digest));
    assert_eq!(app["secrets"][0]["valueFrom"], "/shop-api/staging/TOKEN");
    let tag = |key: &str| {
        let tags = seen["tags"].as_array().unwrap();
        tags.iter().find(|tag| tag["key"] == key).map(|tag| tag["value"].as_str().unwrap().to_owned())
    };
    assert_eq!((tag("team").as_deref(), tag("infra-sdk:by").as_deref()), (Some("shop"), Some("ada")));

    target.activate(&release.id).await.unwrap();
    let service = "client('ecs').describe_services(cluster='ecs-sees', services=['ecs-sees'])['services'][0]";
    let seen = json(&moto, service);
    assert!(seen["taskDefinition"].as_str().unwrap().ends_with("ecs-sees:2"), "{seen}");
    assert_eq!(seen["desiredCount"], 2);
    assert_eq!(
        target.prepare(&wanted, "ada", false).await.unwrap().id,
        release.id,
        "the same again is the same"
    );

    target.accept(&release.id, 5).await.unwrap();
    let kept = status(&target).await.unwrap();
    assert!(kept.current.unwrap().accepted.is_some() && kept.candidate.is_none());
    assert!(!matches!(kept.observation, Some(Observation::Unhealthy { .. })), "{:?}", kept.observation);
}

#[tokio::test]
async fn old_revisions_are_deregistered_and_those_of_others_are_not() {
    let moto = Moto::shared();
    let target = made(&moto, "ecs-forgets");
    for version in ["1", "2", "3"] {
        let release = target.prepare(&spec(version), "ada", false).await.unwrap();
        target.activate(&release.id).await.unwrap();
        target.accept(&release.id, 1).await.unwrap();
    }
    let active = json(
        &moto,
        "client('ecs').list_task_definitions(familyPrefix='ecs-forgets', status='ACTIVE')['taskDefinitionArns']",
    );
    let active: Vec<&str> = active
        .as_array()
        .unwrap()
        .iter()
        .map(|arn| arn.as_str().unwrap().rsplit(':').next().unwrap())
        .collect();
    assert_eq!(active, ["1", "3", "4"]);
}

#[tokio::test]
async fn a_stopped_service_remembers_its_count_in_a_tag() {
    let moto = Moto::shared();
    let target = made(&moto, "ecs-stops");
    let release = target.prepare(&spec("1"), "ada", false).await.unwrap();
    target.activate(&release.id).await.unwrap();
    stop(&target, "ada").await.unwrap();
    let service = "client('ecs').describe_services(cluster='ecs-stops', services=['ecs-stops'], include=['TAGS'])['services'][0]";
    let seen = json(&moto, service);
    assert_eq!(seen["desiredCount"], 0);
    assert!(seen["tags"].to_string().contains("infra-sdk:desired-count"), "{}", seen["tags"]);
    target.activate(&release.id).await.unwrap();
    let seen = json(&moto, service);
    assert_eq!(seen["desiredCount"], 2);
    assert!(
        !seen["tags"].to_string().contains("infra-sdk:") && seen["tags"].to_string().contains("team"),
        "{}",
        seen["tags"]
    );
}
