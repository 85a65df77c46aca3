//! Reading 1,000 parameters beside the peers, from one emulator of AWS: requests first, then time.

use std::fmt;

use infra_sdk::{Cx, Result, ResultExt};
use serde::{Deserialize, Serialize};

use crate::provision;

/// How many parameters are read.
const PARAMETERS: u32 = 1_000;

/// One program.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Row {
    program: String,
    /// How many parameters it read; the rest is as many times as much.
    read: u32,
    of: u32,
    /// With requests that take no time, and with such over a network.
    runs: Vec<Run>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Run {
    /// What each request takes beside the emulator's work, in seconds.
    delay: f64,
    calls: u32,
    /// Requests at the same time, at most.
    peak: u32,
    /// Of the whole program.
    seconds: f64,
    /// From the first request to the last answer.
    asking: f64,
}

/// All rows; ours is the first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Table(Vec<Row>);

impl Row {
    /// What reading all of them takes.
    fn whole(&self, part: f64) -> f64 {
        part * f64::from(self.of) / f64::from(self.read.max(1))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(ours) = self.0.first() else { return f.write_str("nothing was measured") };
        writeln!(
            f,
            "{PARAMETERS} parameters; `program` from start to end, `asking` from the first request to the last answer"
        )?;
        for (at, run) in ours.runs.iter().enumerate() {
            writeln!(f, "\n{:.0} ms a request beside the emulator's own work", run.delay * 1e3)?;
            write!(
                f,
                "{:<36} {:>6} {:>5} {:>9} {:>7} {:>9} {:>7}",
                "", "calls", "peak", "program", "ratio", "asking", "ratio"
            )?;
            for row in &self.0 {
                let Some(found) = row.runs.get(at) else { continue };
                let (seconds, asking) = (row.whole(found.seconds), row.whole(found.asking));
                let calls = row.whole(f64::from(found.calls));
                write!(f, "\n{:<36} {calls:>6.0} {:>5} {seconds:>8.2}s", row.program, found.peak)?;
                write!(f, " {:>6.1}x {asking:>8.2}s {:>6.1}x", seconds / run.seconds, asking / run.asking)?;
                if row.read < row.of {
                    write!(f, "  {} of them measured, times {}", row.read, row.of / row.read.max(1))?;
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// Runs all of them, one after the other; the fastest of `rounds` counts.
///
/// # Errors
/// What provisioning or building fails with; `Failed` when a program does not read everything.
pub(crate) async fn measure(cx: &Cx, rounds: u32) -> Result<Table> {
    let peers = provision::parameter_peers(cx).await?;
    // The bench of secrets builds all of this, too.
    let target = cx.root().join("target/bench/secrets");
    let build =
        ["build", "--quiet", "--package", "infra-sdk-tests", "--features", "remote", "--bin", "reader"];
    cx.cmd("cargo").args(build).dir(cx.root()).env("CARGO_TARGET_DIR", &target).run().await?;
    let python = peers.counterparts.join("bin/python3");
    let programs = serde_json::json!({
        "ours": [target.join("debug/reader")],
        "boto3": [&python],
        "aws": [peers.python.join("bin/aws")],
    });
    let rows = cx
        .cmd(&python)
        .arg(cx.root().join("benches/refs_peers.py"))
        .arg(cx.root().join("target/bench/refs"))
        .arg(programs.to_string())
        .arg(PARAMETERS.to_string())
        .arg(rounds.to_string())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .read()
        .await?;
    serde_json::from_str(&rows).context("read what was measured")
}
