//! Writing secrets beside the peers, against one stand-in for the services: requests, time, and what a refusal costs.

use std::fmt;

use infra_sdk::{Cx, Result, ResultExt};
use serde::{Deserialize, Serialize};

use crate::provision;

/// How many secrets are written.
const KEYS: u32 = 50;

/// One program at one store.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Row {
    store: String,
    program: String,
    /// `None` where the program is not installed.
    measured: Option<Measured>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Measured {
    /// With nothing there.
    first: Run,
    /// Again, with nothing changed.
    again: Run,
    /// With a service that refuses all writes for two seconds after 30 of them.
    refused: Run,
    /// Secrets that were not there after that.
    lost: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Run {
    requests: u32,
    writes: u32,
    /// Requests at the same time, at most.
    peak: u32,
    seconds: f64,
    code: i32,
}

/// All rows, by store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Table(Vec<Row>);

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{KEYS} secrets, 50 ms a request; `refused`: no write is taken for 2 s after {}",
            KEYS * 3 / 5
        )?;
        writeln!(f, "{:<31} {:^31}  {:^23}  {:^23}", "", "first", "nothing changed", "refused")?;
        write!(
            f,
            "{:<7} {:<23} {:>8} {:>6} {:>5} {:>9}",
            "store", "program", "requests", "writes", "peak", "seconds"
        )?;
        write!(
            f,
            "  {:>8} {:>6} {:>7}  {:>4} {:>9} {:>8}",
            "requests", "writes", "seconds", "lost", "exit code", "seconds"
        )?;
        for row in &self.0 {
            write!(f, "\n{:<7} {:<23} ", row.store, row.program)?;
            match &row.measured {
                None => f.write_str("not measured: it is not installed")?,
                Some(Measured { first, again, refused, lost }) => {
                    write!(
                        f,
                        "{:>8} {:>6} {:>5} {:>9.2}",
                        first.requests, first.writes, first.peak, first.seconds
                    )?;
                    write!(f, "  {:>8} {:>6} {:>7.2}", again.requests, again.writes, again.seconds)?;
                    write!(f, "  {lost:>4} {:>9} {:>8.2}", refused.code, refused.seconds)?;
                }
            }
        }
        Ok(())
    }
}

/// Runs all of them, one after the other.
///
/// # Errors
/// What provisioning or building fails with; `Failed` when a program does not write all secrets to a service that is well.
pub(crate) async fn measure(cx: &Cx) -> Result<Table> {
    let peers = provision::secret_peers(cx).await?;
    let target = cx.root().join("target/bench/secrets");
    let build =
        ["build", "--quiet", "--package", "infra-sdk-tests", "--features", "remote", "--bin", "syncer"];
    cx.cmd("cargo").args(build).dir(cx.root()).env("CARGO_TARGET_DIR", &target).run().await?;
    let mut programs = serde_json::json!({
        "ours": [target.join("debug/syncer")],
        "aws": [peers.python.join("bin/aws")],
        "boto3": [peers.counterparts.join("bin/python3")],
        "wrangler": [peers.node.join("node"), peers.node.join("node_modules/wrangler/bin/wrangler.js")],
    });
    match cx.env().which("gh") {
        Some(gh) => programs["gh"] = serde_json::json!([gh]),
        None => cx.warn("gh is not on PATH: not measured"),
    }
    let script = cx.root().join("benches/secrets_peers.py");
    let rows = cx
        .cmd("python3")
        .arg(script)
        .arg(target.join("work"))
        .arg(programs.to_string())
        .arg(KEYS.to_string())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .read()
        .await?;
    serde_json::from_str(&rows).context("read what was measured")
}
