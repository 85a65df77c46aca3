//! Summarising plans beside the peers: time and memory, on a plan that Terraform saved and on larger ones.

use std::fmt;

use infra_sdk::{Cx, Result, ResultExt};
use serde::{Deserialize, Serialize};

use crate::provision;

/// One program on one plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Row {
    plan: String,
    /// Of the JSON, in bytes.
    size: u64,
    program: String,
    /// `None` where the program is not installed.
    measured: Option<Measured>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Measured {
    /// The fastest round.
    seconds: f64,
    /// The largest resident size in bytes, the file included.
    memory: u64,
}

/// All rows, by plan; ours is the first of each.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Table(Vec<Row>);

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ours: Option<&Row> = None;
        for row in &self.0 {
            if ours.is_none_or(|ours| ours.plan != row.plan) {
                let end = if ours.is_some() { "\n\n" } else { "" };
                writeln!(f, "{end}{}, {:.1} MB of JSON", row.plan, row.size as f64 / 1e6)?;
                write!(
                    f,
                    "{:<22} {:>9} {:>9} {:>10} {:>9}",
                    "program", "seconds", "ratio", "memory MB", "ratio"
                )?;
                ours = Some(row);
            }
            write!(f, "\n{:<22} ", row.program)?;
            match (&row.measured, ours.and_then(|ours| ours.measured)) {
                (Some(found), Some(ours)) => write!(
                    f,
                    "{:>9.3} {:>8.1}x {:>10.1} {:>8.1}x",
                    found.seconds,
                    found.seconds / ours.seconds,
                    found.memory as f64 / 1e6,
                    found.memory as f64 / ours.memory as f64,
                )?,
                _ => f.write_str("not measured: it is not installed")?,
            }
        }
        Ok(())
    }
}

/// Runs all of them in turns. Peers that can not be had are named and left out.
///
/// # Errors
/// What building fails with; `Failed` when a program fails, or counts what the others do not.
pub(crate) async fn measure(cx: &Cx, rounds: u32) -> Result<Table> {
    let target = cx.root().join("target/bench/plan");
    let build = ["build", "--quiet", "--release", "--package", "infra-sdk-benches", "--bins"];
    let cargo = cx.cmd("cargo").args(build).dir(cx.root()).env_remove("CARGO_MANIFEST_DIR");
    cargo.env("CARGO_TARGET_DIR", &target).run().await?;
    let mut programs = serde_json::json!({
        "engine": target.join("release/plan-engine"),
        "make-plan": target.join("release/make-plan"),
    });
    match provision::plan_peers(cx).await {
        Ok(bin) => {
            for name in ["tf-peek", "readtheplan"] {
                programs[name] = serde_json::json!(bin.join(name));
            }
        }
        Err(error) => cx.warn(format!("tf-peek and readtheplan are not measured: {error}")),
    }
    for name in ["jq", "python3", "terraform"] {
        match cx.env().which(name) {
            Some(path) => programs[name] = serde_json::json!(path),
            None => cx.warn(format!("{name} is not on PATH: not measured")),
        }
    }
    let rows = cx
        .cmd("python3")
        .arg(cx.root().join("benches/plan_peers.py"))
        .arg(target.join("work"))
        .arg(programs.to_string())
        .arg(rounds.to_string())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .read()
        .await?;
    serde_json::from_str(&rows).context("read what was measured")
}
