//! The local provider against the contracts of the ports it implements.

#[path = "../../tests/contract/events.rs"]
mod events;
#[path = "../../tests/contract/ledger.rs"]
mod ledger;
#[path = "../../tests/contract/refs.rs"]
mod refs;
#[path = "../../tests/contract/state.rs"]
mod state;
#[path = "../../tests/contract/types.rs"]
mod types;

use std::path::PathBuf;

use infra_sdk::local::{LocalEvents, LocalLedger, LocalLocks, LocalParameters, LocalState};

struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        Scratch(
            std::env::temp_dir().join(format!("infra-sdk-local-{}", infra_sdk::id::short().expect("an id"))),
        )
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn events_hold() {
    let scratch = Scratch::new();
    events::holds(&LocalEvents::new(scratch.0.join("events.jsonl"))).await;
}

#[tokio::test]
async fn the_ledger_holds() {
    let scratch = Scratch::new();
    ledger::holds(&LocalLedger::new(scratch.0.join("ledger.jsonl"))).await;
}

#[tokio::test]
async fn parameters_hold() {
    let scratch = Scratch::new();
    refs::holds(&LocalParameters::new(&scratch.0)).await;
}

#[tokio::test]
async fn types_hold() {
    let scratch = Scratch::new();
    types::hold(&LocalParameters::new(&scratch.0)).await;
}

#[tokio::test]
async fn state_holds() {
    let scratch = Scratch::new();
    let terraform = |key: &infra_sdk::state::StateKey, content: &[u8]| {
        std::fs::write(scratch.0.join(key.to_string()), content).expect("a folder made ready");
    };
    state::holds(&LocalState::new(&scratch.0), &terraform).await;
}

#[tokio::test]
async fn locks_hold() {
    let scratch = Scratch::new();
    state::locks_hold(&LocalLocks::new(&scratch.0)).await;
}
