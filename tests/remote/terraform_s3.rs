//! The real terraform on state in a bucket: locks taken from both sides, and six applies at once.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use infra_sdk::aws::S3State;
use infra_sdk::state::{KeyTemplate, LockRequest, StateBackend, StateDocument, StateKey, StateLocks};
use infra_sdk::terraform::{Stack, StackPlace, Terraform};
use infra_sdk::{Cmd, Env, ErrorKind};
use support::{Moto, Scratch};

use crate::aws_state::{bucket, put};

/// A repo with one stack, and its state in a bucket of its own.
struct World {
    scratch: Scratch,
    states: S3State,
    terraform: Terraform,
    bucket: String,
    moto: Arc<Moto>,
}

impl World {
    async fn new(name: &str, code: &str) -> Self {
        let (scratch, moto) = (Scratch::new(name), Moto::shared());
        scratch.write("repo/terraform/main.tf", code);
        let states = S3State::new(bucket(&moto, name).await, KeyTemplate::default());
        let env = Env::of_process().unwrap();
        let terraform = Terraform::find(&Default::default(), &env, &scratch.join("home")).await.unwrap();
        World { scratch, states, terraform, bucket: name.into(), moto }
    }

    fn key(&self) -> StateKey {
        "acme/shop/staging/network/terraform.tfstate".parse().unwrap()
    }

    async fn open(&self, data: &str) -> Stack {
        let place = StackPlace {
            name: "network".parse().unwrap(),
            repo: self.scratch.join("repo"),
            dir: "terraform".into(),
            data: self.scratch.join(data),
            backend: self.states.settings(&self.key()).await.unwrap(),
            lock_timeout: Duration::ZERO,
        };
        let start = move |program: &Path| {
            Cmd::new(program)
                .env("AWS_ACCESS_KEY_ID", "test")
                .env("AWS_SECRET_ACCESS_KEY", "test")
                .env("AWS_EC2_METADATA_DISABLED", "true")
                .quiet()
        };
        let stack = self.terraform.stack(place, start).await.unwrap();
        stack.init().await.unwrap();
        stack
    }
}

fn request(who: &str) -> LockRequest {
    let (run, why) = (Some("acme/shop/actions/runs/42".into()), "moving by hand".into());
    LockRequest { who: who.into(), run, why, length: Duration::from_secs(3600) }
}

/// Code whose apply holds the lock until the file is there.
fn gated(gate: &Path) -> String {
    format!(
        "resource \"terraform_data\" \"gate\" {{\n provisioner \"local-exec\" {{\n  command = \"until [ -e {} ]; do sleep 0.1; \
         done\"\n }}\n}}\noutput \"id\" {{ value = terraform_data.gate.id }}\n",
        gate.display()
    )
}

#[tokio::test]
async fn a_stack_is_planned_applied_and_read_back() {
    let world = World::new(
        "tf-applies",
        "resource \"terraform_data\" \"a\" { input = \"x\" }\noutput \"a\" { value = \"b\" }\n",
    )
    .await;
    let stack = world.open("data").await;
    stack.apply(stack.plan(&()).await.unwrap()).await.unwrap();
    let state = world.states.read(&world.key()).await.unwrap().unwrap();
    let shown = StateDocument::parse(&state).unwrap().shown();
    assert_eq!((shown.serial, shown.resources), (1, vec!["terraform_data.a".to_owned()]));
    assert_eq!(stack.outputs::<std::collections::BTreeMap<String, String>>().await.unwrap()["a"], "b");
    assert!(!stack.plan(&()).await.unwrap().has_changes());
    assert!(world.states.state_lock(&world.key()).await.unwrap().is_none(), "terraform has freed its lock");
    assert_eq!(world.states.list(&world.key().owner).await.unwrap(), [world.key()]);
}

#[tokio::test]
async fn a_lock_of_ours_is_honoured_and_shown_by_terraform() {
    let world = World::new("tf-honours", "resource \"terraform_data\" \"a\" {}\n").await;
    let stack = world.open("data").await;
    let lock = world.states.lock_state(&world.key(), &request("ada")).await.unwrap();
    let error = stack.plan(&()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked, "{error:?}");
    let text = error.report().to_string();
    for part in [
        "holder: ada",
        "operation: infra:state:lock",
        "run acme/shop/actions/runs/42: moving by hand",
        &lock.id,
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(text.contains(&format!("infra:state:unlock network --id {} --force", lock.id)), "{text}");
    // Looking needs no lock.
    assert!(stack.look(&()).await.unwrap().has_changes());
    let seen = world.states.state_lock(&world.key()).await.unwrap().unwrap();
    world.states.unlock_state(&world.key(), &seen).await.unwrap();
    stack.apply(stack.plan(&()).await.unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_lock_that_is_no_json_stops_terraform_and_the_error_says_how_to_go_on() {
    let world = World::new("tf-no-json", "resource \"terraform_data\" \"a\" {}\n").await;
    let stack = world.open("data").await;
    put(&world.moto, &format!("{}/{}.tflock", world.bucket, world.key()), b"not json");
    let error = stack.plan(&()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked, "{error:?}");
    assert!(
        error.hints().iter().any(|hint| hint.contains("infra:state:unlock network --force")),
        "{error:?}"
    );
}

#[tokio::test]
async fn six_applies_at_once_have_one_winner_whose_lock_we_can_read() {
    let scratch = Scratch::new("tf-gate");
    let gate = scratch.join("open");
    let world = World::new("tf-six", &gated(&gate)).await;
    let mut runs = tokio::task::JoinSet::new();
    let mut planned = Vec::new();
    for number in 0..6 {
        let stack = world.open(&format!("data-{number}")).await;
        let plan = stack.plan(&()).await.unwrap();
        planned.push((stack, plan));
    }
    for (stack, plan) in planned {
        runs.spawn(async move { stack.apply(plan).await });
    }
    let mut done = Vec::new();
    while done.len() < 5 {
        done.push(runs.join_next().await.unwrap().unwrap());
    }
    for lost in &done {
        let error = lost.as_ref().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked, "{error:?}");
        assert!(error.to_string().contains("operation: OperationTypeApply"), "{error}");
    }
    // The winner still works: its lock is read, and it is not ours to take.
    let seen = world.states.state_lock(&world.key()).await.unwrap().unwrap();
    let lock = seen.lock.clone().unwrap();
    assert_eq!(lock.operation, "OperationTypeApply");
    assert_eq!(lock.path, format!("tf-six/{}", world.key()));
    let error = world.states.lock_state(&world.key(), &request("ada")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(error.to_string().contains(&lock.who) && error.to_string().contains(&lock.id), "{error}");
    std::fs::write(&gate, "").unwrap();
    runs.join_next().await.unwrap().unwrap().unwrap();
    assert!(world.states.state_lock(&world.key()).await.unwrap().is_none());
    let state = world.states.read(&world.key()).await.unwrap().unwrap();
    assert_eq!(StateDocument::parse(&state).unwrap().serial, 1, "one apply was carried out");
}
