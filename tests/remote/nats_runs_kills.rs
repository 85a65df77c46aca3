//! Runs over NATS with agents and coordinators that are processes, a server that dies, and what all of it costs.

use serde_json::Value;
use support::{Run, repo};

/// What the runner prints.
fn runner(args: &[&str]) -> Value {
    let done = Run::new(env!("CARGO_BIN_EXE_runner"), &repo()).args(args).finish().expect(0);
    serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {}", done.stdout))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// `INFRA_RUNS_KILLS=50` kills so many, over 200 repos with 20 agents.
#[test]
fn whatever_is_killed_every_repo_is_done_once_in_order_and_nothing_stays_claimed() {
    let env = infra_sdk::Env::of_process().expect("an environment");
    let found = match env.get("INFRA_RUNS_KILLS") {
        Some(kills) => runner(&["chaos", "200", "20", kills, "20261129"]),
        None => runner(&["chaos", "12", "3", "20", "20261129"]),
    };
    println!("{found}");
    let killed = found["killed"].as_object().expect("a table");
    assert_eq!(killed.len(), 3, "of each kind one died: {found}");
}

#[test]
fn what_a_dead_coordinator_or_agent_held_is_taken_over_within_two_leases() {
    let found = runner(&["takeover", "2000"]);
    println!("{found}");
    let two = 2.0 * number(&found["lease"]);
    assert!(number(&found["coordinator"]) <= two && number(&found["agent"]) <= two, "{found}");
}

#[test]
fn a_repo_costs_the_same_in_a_run_of_ten_and_of_many() {
    let costs: Vec<f64> =
        ["10", "50", "250"].map(|repos| number(&runner(&["throughput", repos, "4"])["messages"])).to_vec();
    println!("messages a repo: {costs:?}");
    assert!(costs[2] <= costs[0] * 1.2, "messages a repo: {costs:?}");
}
