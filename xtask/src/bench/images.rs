//! Building and pushing images beside the peers: time, and what a registry is asked.

use std::collections::BTreeMap;
use std::fmt;

use infra_sdk::{Cx, Error, Result, ResultExt};
use serde::{Deserialize, Serialize};

/// What is started, and the Debian package that has it.
const PROGRAMS: [&str; 3] = ["buildah", "skopeo", "docker-registry"];
/// How ours is called where it builds.
const OURS: &str = "infra-sdk, to an OCI layout";

/// Everything that was measured in one run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Table {
    files: u64,
    bytes: u64,
    pushed: u64,
    /// Seconds, the fastest of all rounds, by program.
    builds: BTreeMap<String, f64>,
    pushes: Vec<Push>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Push {
    program: String,
    /// `first`, or `unchanged`.
    what: String,
    seconds: f64,
    /// How many, by method.
    requests: BTreeMap<String, u32>,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let megabytes = self.bytes as f64 / 1e6;
        writeln!(f, "building an image of {} files, {megabytes:.0} MB", self.files)?;
        writeln!(f, "{:<38} {:>8} {:>8} {:>7}", "program", "seconds", "MB/s", "ratio")?;
        let ours = self.builds.get(OURS).copied().unwrap_or(f64::NAN);
        let mut builds: Vec<_> = self.builds.iter().collect();
        builds.sort_by_key(|(program, _)| (*program != OURS, (*program).clone()));
        // A layout is what both end with: an image that can be pushed.
        let both: f64 =
            builds.iter().filter(|(program, _)| *program != OURS).map(|(_, seconds)| **seconds).sum();
        let both = ("buildah, both".to_owned(), both);
        builds.push((&both.0, &both.1));
        for (program, seconds) in builds {
            let (speed, ratio) = (megabytes / seconds, seconds / ours);
            writeln!(f, "{program:<38} {seconds:>8.3} {speed:>8.1} {ratio:>6.1}x")?;
        }
        writeln!(f, "\npushing an image of {:.0} MB to docker-registry", self.pushed as f64 / 1e6)?;
        write!(f, "{:<12} {:<10} {:>8}  requests", "program", "push", "seconds")?;
        for Push { program, what, seconds, requests } in &self.pushes {
            let count: Vec<String> =
                requests.iter().map(|(method, count)| format!("{count} {method}")).collect();
            write!(f, "\n{program:<12} {what:<10} {seconds:>8.3}  {}", count.join(", "))?;
        }
        Ok(())
    }
}

/// Runs all of them, compiled as products compile their tasks.
///
/// # Errors
/// `NotFound` when a peer is not installed; what building fails with; `Failed` when a program does.
pub(crate) async fn measure(cx: &Cx, rounds: u32) -> Result<Table> {
    if let Some(program) = PROGRAMS.iter().find(|program| cx.env().which(program).is_none()) {
        return Err(Error::not_found(format!("{program} is not on PATH"))
            .hint(format!("install it: on Debian the package is called {program}")));
    }
    let target = cx.root().join("target/bench/images");
    let build = ["build", "--quiet", "--profile", "xtask", "--package", "infra-sdk-tests"];
    cx.cmd("cargo")
        .args(build)
        .args(["--features", "registry", "--bin", "imager"])
        .dir(cx.root())
        .env("CARGO_TARGET_DIR", &target)
        .env_remove("CARGO_MANIFEST_DIR")
        .run()
        .await?;
    let table = cx.cmd(target.join("xtask/imager")).args(["measure", &rounds.to_string()]).read().await?;
    serde_json::from_str(&table).context("read what was measured")
}
