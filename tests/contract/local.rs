//! The local provider against the contracts of the ports it implements.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use infra_sdk::deploy::DeployTarget;
use infra_sdk::images::{ImageRegistry, ImageSpec, build, push};
use infra_sdk::local::{
    LocalDeploy, LocalEvents, LocalLedger, LocalLocks, LocalParameters, LocalRegistry, LocalRuns,
    LocalSecrets, LocalState,
};
use infra_sdk::names::ImageName;
use infra_sdk::{Env, ReleaseSpec, SecretValue};
use support::Scratch;

use crate::{contracts, deploy, deploy_process, events, images, ledger, refs, runs, secrets, state, types};

#[tokio::test]
async fn secrets_hold() {
    let scratch = Scratch::new("secrets");
    secrets::holds(&LocalSecrets::new(scratch.join("secrets")), secrets::Kind::default()).await;
}

#[tokio::test]
async fn secrets_are_given_back() {
    let scratch = Scratch::new("secrets");
    let store = LocalSecrets::new(scratch.join("secrets"));
    secrets::gives_back(&store, &store).await;
}

#[tokio::test]
async fn the_registry_holds() {
    let scratch = Scratch::new("registry");
    images::holds(&LocalRegistry::new(scratch.join("registry"))).await;
}

#[tokio::test]
async fn events_hold() {
    let scratch = Scratch::new("events");
    events::holds(Arc::new(LocalEvents::new(scratch.join("events.jsonl")))).await;
}

#[tokio::test]
async fn the_ledger_holds() {
    let scratch = Scratch::new("ledger");
    ledger::holds(&LocalLedger::new(scratch.join("ledger.jsonl"))).await;
}

#[tokio::test]
async fn parameters_hold() {
    let scratch = Scratch::new("params");
    refs::holds(&LocalParameters::new(scratch.path()), false).await;
}

#[tokio::test]
async fn types_hold() {
    let scratch = Scratch::new("types");
    types::hold(&LocalParameters::new(scratch.path())).await;
}

#[tokio::test]
async fn contracts_hold() {
    let scratch = Scratch::new("contracts");
    contracts::hold(&LocalParameters::new(scratch.path())).await;
}

#[tokio::test]
async fn state_holds() {
    let scratch = Scratch::new("state");
    let terraform = |key: &infra_sdk::state::StateKey, content: &[u8]| {
        std::fs::write(scratch.join(key.to_string()), content).expect("a folder made ready");
    };
    state::holds(&LocalState::new(scratch.path()), &terraform).await;
}

#[tokio::test]
async fn locks_hold() {
    let scratch = Scratch::new("locks");
    state::locks_hold(&LocalLocks::new(scratch.path())).await;
}

#[tokio::test]
async fn runs_hold() {
    let scratch = Scratch::new("runs");
    let redelivery = std::time::Duration::from_secs(1);
    runs::holds(Arc::new(LocalRuns::new(scratch.path()).redelivery(redelivery)), redelivery).await;
}

#[test]
fn deploys_hold() {
    let scratch = Scratch::new("deploy");
    // Checks run one after the other, each on a target of its own: services of one place share a port.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let registry: Arc<dyn ImageRegistry> = Arc::new(LocalRegistry::new(scratch.join("registry")));
        let name: ImageName = "shop/app".parse().expect("a name");
        let files = scratch.join("files");
        std::fs::create_dir(&files).expect("the scratch folder is writable");
        std::fs::copy(env!("CARGO_BIN_EXE_service"), files.join("service")).expect("the service was built");
        let spec = ImageSpec::new(name.clone(), &files, ["service"]);
        let image = build(&spec, &scratch.join("built")).await.expect("an image");
        push(&*registry, &image, &[]).await.expect("a registry");
        let good = ReleaseSpec::new("shop".parse().expect("a name"), name, image.digest().clone(), "1.0.0");
        let broken = good.clone().env("BROKEN", "exit");
        let env = Env::of([("PATH", "/usr/bin:/bin")], scratch.path());
        let targets = AtomicU32::new(0);
        let fresh = || -> Box<dyn DeployTarget> {
            let folder = scratch.join(format!("target-{}", targets.fetch_add(1, Ordering::Relaxed)));
            let target = LocalDeploy::new(folder, registry.clone(), &env);
            Box::new(target.supervisor(env!("CARGO_BIN_EXE_deployer")))
        };
        let secret: fn(&mut ReleaseSpec, &str) = |spec, name| {
            let value = SecretValue::new("canary-another");
            spec.secrets.insert(name.parse().expect("a name"), value);
        };
        let specs = deploy::Specs { good, broken, secret };
        deploy::holds(&fresh, &specs).await;
        deploy_process::holds(&fresh, &specs).await;
    });
}
