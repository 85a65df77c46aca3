//! What a product repo waits for before its first task: the clean build of a minimal consumer, feature by feature.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use infra_sdk::{Cmd, Cx, Error, ErrorKind, Result, ResultExt};
use serde::Serialize;

use crate::bench::profile;

/// The yardstick: what a small command line tool without this SDK compiles anyway. Seconds of two machines can not be
/// compared, their ratio to this row of the same run can.
const REFERENCE: &str = "clap = \"4\"\nserde = { version = \"1\", features = [\"derive\"] }\ntoml = \"1\"\nduct = \"1\"\n\
     tokio = { version = \"1\", features = [\"macros\", \"rt-multi-thread\", \"sync\", \"time\"] }\n";

/// What one choice of features costs; the best of all rounds.
#[derive(Clone, Debug, Serialize)]
struct Row {
    /// `reference`, or the one feature that is on, or `none`.
    feature: String,
    /// Packages of `cargo tree --edges normal,build`, without the consumer itself.
    crates: usize,
    /// User and system time of cargo and all it starts; `None` where the system does not tell.
    cpu_s: Option<f64>,
    wall_s: f64,
    /// All files of the build folder, in millions of bytes.
    target_mb: u64,
}

/// No feature first, then each alone.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Table(Vec<Row>);

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<14} {:>7} {:>8} {:>8} {:>10}", "feature", "crates", "CPU s", "wall s", "target MB")?;
        for row in &self.0 {
            let cpu = row.cpu_s.map_or("?".into(), |seconds| format!("{seconds:.1}"));
            write!(
                f,
                "\n{:<14} {:>7} {cpu:>8} {:>8.1} {:>10}",
                row.feature, row.crates, row.wall_s, row.target_mb
            )?;
        }
        Ok(())
    }
}

/// Builds the consumer `rounds` times for each row, or each of `only`, each time from nothing but downloaded sources.
///
/// # Errors
/// `NotFound` for a feature that is none; what cargo fails with; `Io` when a file under `target/bench/build` can not be written.
pub(crate) async fn measure(cx: &Cx, rounds: u32, only: &[String]) -> Result<Table> {
    let mut rows = Vec::new();
    let mut names = vec!["reference".to_owned(), "none".to_owned()];
    names.extend(features(cx).await?);
    if let Some(unknown) = only.iter().find(|name| !names.contains(name)) {
        return Err(Error::not_found(format!("there is no feature `{unknown}`"))
            .hint(format!("choose from {}", names.join(", "))));
    }
    if !only.is_empty() {
        names.retain(|name| only.contains(name));
    }
    for name in &names {
        let consumer = Consumer::write(cx, name)?;
        consumer.cargo(&["fetch", "--quiet"]).run().await?;
        let crates = consumer.crates().await?;
        let (mut cpu, mut wall, mut target_mb) = (Vec::new(), Vec::new(), 0);
        for round in 1..=rounds {
            cx.say(format!("feature {name}: build {round} of {rounds}"));
            consumer.remove_target()?;
            let (before, start) = (children_cpu(), Instant::now());
            consumer.cargo(&["build", "--quiet", "--offline", "--profile", "xtask"]).run().await?;
            wall.push(start.elapsed());
            cpu.extend(before.zip(children_cpu()).map(|(before, after)| after.saturating_sub(before)));
            target_mb = size(&consumer.target())? / 1_000_000;
        }
        // Each file is tens of MB to hundreds in all, and of no use to anybody later.
        consumer.remove_target()?;
        let best = |times: Vec<Duration>| times.into_iter().min().map(|time| time.as_secs_f64());
        rows.push(Row {
            feature: name.clone(),
            crates,
            cpu_s: best(cpu),
            wall_s: best(wall).unwrap_or_default(),
            target_mb,
        });
    }
    Ok(Table(rows))
}

/// The features of the SDK, but `default`.
async fn features(cx: &Cx) -> Result<Vec<String>> {
    let text = cx
        .cmd("cargo")
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .dir(cx.root())
        .read()
        .await?;
    let metadata: serde_json::Value = serde_json::from_str(&text).context("read cargo's metadata")?;
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let features = packages
        .iter()
        .find(|package| package["name"] == "infra-sdk")
        .and_then(|package| package["features"].as_object())
        .ok_or_else(|| {
            Error::new(ErrorKind::Bug, "cargo's metadata has no package infra-sdk")
                .hint("run the bench in a checkout of infra-sdk")
        })?;
    Ok(features.keys().filter(|name| *name != "default").cloned().collect())
}

/// A package with an empty set of tasks, as small as a product's `xtask` can be.
struct Consumer {
    cx: Cx,
    folder: PathBuf,
}

impl Consumer {
    fn write(cx: &Cx, name: &str) -> Result<Self> {
        let (root, folder) = (cx.root(), cx.root().join("target/bench/build").join(name));
        let sdk = root.join("infra-sdk");
        let (dependencies, profile, main) = match name {
            // As cargo builds it by itself: the default profile, debug information and all.
            "reference" => {
                (REFERENCE.to_owned(), "[profile.xtask]\ninherits = \"dev\"\n".to_owned(), "fn main() {}\n")
            }
            _ => {
                let features = Vec::from_iter((name != "none").then_some(name));
                (
                    format!("infra-sdk = {{ path = {sdk:?}, features = {features:?} }}\n"),
                    profile::shipped(root)?,
                    "fn main() -> std::process::ExitCode {\n    infra_sdk::main(|_, _| {})\n}\n",
                )
            }
        };
        let manifest = format!(
            "[package]\nname = \"consumer\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
             [dependencies]\n{dependencies}\n{profile}",
        );
        std::fs::create_dir_all(folder.join("src")).context("make a bench folder")?;
        for (file, text) in [("Cargo.toml", manifest.as_str()), ("src/main.rs", main)] {
            std::fs::write(folder.join(file), text).context(format!("write {file} of the consumer"))?;
        }
        std::fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).context("copy Cargo.lock")?;
        Ok(Consumer { cx: cx.clone(), folder })
    }

    fn target(&self) -> PathBuf {
        self.folder.join("target")
    }

    fn remove_target(&self) -> Result<()> {
        match std::fs::remove_dir_all(self.target()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).context("empty the consumer's build folder")
            }
            _ => Ok(()),
        }
    }

    fn cargo(&self, args: &[&str]) -> Cmd {
        self.cx
            .cmd("cargo")
            .args(args)
            .dir(&self.folder)
            .env("CARGO_TERM_COLOR", "never")
            .env("CARGO_TARGET_DIR", self.target())
            // Users depend on a git tag, which cargo never compiles incrementally, as it does a path.
            .env("CARGO_INCREMENTAL", "0")
            // A cache in rustc's place would be measured instead.
            .env("RUSTC_WRAPPER", "")
    }

    async fn crates(&self) -> Result<usize> {
        let args = ["tree", "--offline", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"];
        let tree = self.cargo(&args).read().await?;
        let all: BTreeSet<&str> = tree
            .lines()
            .map(|line| line.trim_end_matches(" (*)"))
            .filter(|line| !line.is_empty() && !line.starts_with("consumer "))
            .collect();
        Ok(all.len())
    }
}

/// The CPU time of all children of this process that have ended, with theirs.
///
/// Fields 16 and 17 of `/proc/self/stat` (proc_pid_stat(5)), in clock ticks: 100 a second on every Linux that cargo
/// runs on, as the kernel's USER_HZ.
fn children_cpu() -> Option<Duration> {
    let stat = if cfg!(target_os = "linux") {
        std::fs::read_to_string("/proc/self/stat").ok()?
    } else {
        return None;
    };
    parse_children_cpu(&stat)
}

fn parse_children_cpu(stat: &str) -> Option<Duration> {
    // The second field, the program's name, stands in brackets and may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let ticks: Vec<u64> = rest
        .split_whitespace()
        .skip(13)
        .take(2)
        .map(str::parse)
        .collect::<std::result::Result<_, _>>()
        .ok()?;
    (ticks.len() == 2).then(|| Duration::from_millis(ticks.iter().sum::<u64>() * 10))
}

/// The size of all files below a folder, in bytes; what has two names, as cargo likes to, counts once.
fn size(folder: &Path) -> Result<u64> {
    let (mut seen, mut folders, mut bytes) = (BTreeSet::new(), vec![folder.to_owned()], 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).context("list the consumer's build folder")? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                folders.push(entry.path());
            } else if inode(&metadata).is_none_or(|inode| seen.insert(inode)) {
                bytes += metadata.len();
            }
        }
    }
    Ok(bytes)
}

#[cfg(unix)]
fn inode(metadata: &std::fs::Metadata) -> Option<u64> {
    Some(std::os::unix::fs::MetadataExt::ino(metadata))
}

#[cfg(not(unix))]
fn inode(_: &std::fs::Metadata) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_children_is_read_behind_a_name_with_brackets() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 50 60 1234 66 20 0 1 0 5 6 7";
        assert_eq!(parse_children_cpu(stat), Some(Duration::from_secs(13)));
        assert_eq!(parse_children_cpu("7 (a) S 1"), None);
    }
}
