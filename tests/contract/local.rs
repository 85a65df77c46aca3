//! The local provider against the contracts of the ports it implements.

use std::time::Duration;

use infra_sdk::local::{
    LocalEvents, LocalLedger, LocalLocks, LocalParameters, LocalRegistry, LocalSecrets, LocalState,
};
use support::Scratch;

use crate::{events, images, ledger, refs, secrets, state, types};

#[tokio::test]
async fn secrets_hold() {
    let scratch = Scratch::new("secrets");
    secrets::holds(&LocalSecrets::new(scratch.join("secrets")), Duration::ZERO).await;
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
    events::holds(&LocalEvents::new(scratch.join("events.jsonl"))).await;
}

#[tokio::test]
async fn the_ledger_holds() {
    let scratch = Scratch::new("ledger");
    ledger::holds(&LocalLedger::new(scratch.join("ledger.jsonl"))).await;
}

#[tokio::test]
async fn parameters_hold() {
    let scratch = Scratch::new("params");
    refs::holds(&LocalParameters::new(scratch.path())).await;
}

#[tokio::test]
async fn types_hold() {
    let scratch = Scratch::new("types");
    types::hold(&LocalParameters::new(scratch.path())).await;
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
