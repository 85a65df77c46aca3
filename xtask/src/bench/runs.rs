//! Deploys over many repos with a NATS server on this machine: how fast, at what cost, and what is lost when things die.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use infra_sdk::{Cx, Result, ResultExt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::provision;

/// How many repos and agents the run has that is measured.
const REPOS: u32 = 200;
const AGENTS: u32 = 20;
/// How many repos the runs have whose costs are compared.
const SIZES: [u32; 3] = [10, 100, 1_000];
/// How long leases are, in milliseconds, where what held them dies.
const LEASE: u32 = 2_000;
/// How often something is killed, and where the order of that begins.
const KILLS: u32 = 50;
const SEED: u32 = 20_261_129;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Throughput {
    repos: u32,
    agents: u32,
    seconds: f64,
    p50: f64,
    p95: f64,
    longest: f64,
    messages: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Takeover {
    lease: f64,
    coordinator: f64,
    agent: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Chaos {
    repos: u32,
    agents: u32,
    killed: BTreeMap<String, u32>,
    runs: u32,
    again: u32,
    seconds: f64,
}

/// What was found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Table {
    /// The fastest of several rounds.
    fastest: Throughput,
    /// Runs of several sizes.
    sizes: Vec<Throughput>,
    /// The longest of several rounds.
    takeover: Takeover,
    chaos: Chaos,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Throughput { repos, agents, seconds, p50, p95, longest, .. } = self.fastest;
        writeln!(
            f,
            "deploys that do nothing; one nats-server, each agent and coordinator a process, all on this machine"
        )?;
        writeln!(
            f,
            "{repos} repos in rows of 20, {agents} agents: {:.0} repos a second",
            f64::from(repos) / seconds
        )?;
        writeln!(f, "from ready to started: p50 {p50:.1} ms, p95 {p95:.1} ms, longest {longest:.1} ms")?;
        writeln!(f, "\n{:>6} {:>8} {:>16} {:>14}", "repos", "seconds", "repos a second", "messages each")?;
        for size in &self.sizes {
            let speed = f64::from(size.repos) / size.seconds;
            writeln!(f, "{:>6} {:>8.2} {speed:>16.0} {:>14.1}", size.repos, size.seconds, size.messages)?;
        }
        let Takeover { lease, coordinator, agent } = self.takeover;
        writeln!(
            f,
            "\nleases of {lease:.0} s: taken over {coordinator:.1} s after a coordinator died, {agent:.1} s after an agent"
        )?;
        let Chaos { repos, agents, runs, again, seconds, ref killed } = self.chaos;
        let kinds: Vec<String> = killed.iter().map(|(what, count)| format!("{what} {count} times")).collect();
        write!(
            f,
            "killed at random: {}; in {runs} runs of {repos} repos with {agents} agents, {seconds:.0} s in all, every repo was \
             done once, in order, and nothing was left claimed; {again} deploys lost their agent and were begun again",
            kinds.join(", ")
        )
    }
}

/// Measures all of it, one after the other.
///
/// # Errors
/// What provisioning or building fails with; `Failed` when a repo is not done exactly once.
pub(crate) async fn measure(cx: &Cx, rounds: u32) -> Result<Table> {
    provision::nats(cx).await?;
    // The bench of secrets builds all of this, too.
    let target = cx.root().join("target/bench/secrets");
    let build =
        ["build", "--quiet", "--package", "infra-sdk-tests", "--features", "remote", "--bin", "runner"];
    cx.cmd("cargo").args(build).dir(cx.root()).env("CARGO_TARGET_DIR", &target).run().await?;
    let runner = target.join("debug/runner");
    let mut fastest: Throughput = run(cx, &runner, "throughput", &[REPOS, AGENTS]).await?;
    for _ in 1..rounds {
        let found: Throughput = run(cx, &runner, "throughput", &[REPOS, AGENTS]).await?;
        if found.seconds < fastest.seconds {
            fastest = found;
        }
    }
    let mut sizes = Vec::new();
    for size in SIZES {
        sizes.push(run(cx, &runner, "throughput", &[size, AGENTS]).await?);
    }
    let mut takeover: Takeover = run(cx, &runner, "takeover", &[LEASE]).await?;
    for _ in 1..rounds {
        let other: Takeover = run(cx, &runner, "takeover", &[LEASE]).await?;
        takeover.coordinator = takeover.coordinator.max(other.coordinator);
        takeover.agent = takeover.agent.max(other.agent);
    }
    let chaos = run(cx, &runner, "chaos", &[REPOS, AGENTS, KILLS, SEED]).await?;
    Ok(Table { fastest, sizes, takeover, chaos })
}

async fn run<T: DeserializeOwned>(cx: &Cx, runner: &Path, what: &str, numbers: &[u32]) -> Result<T> {
    let numbers = numbers.iter().map(ToString::to_string);
    let found = cx.cmd(runner).arg(what).args(numbers).dir(cx.root()).read().await?;
    serde_json::from_str(&found).context("read what was measured")
}
