//! An agent or a coordinator over NATS, to be killed at any moment, and what `cargo xtask bench runs` measures.
//!
//! `runner agent URL LEASE DIR REPOS SLOTS TAKES` serves `r0`, `r1`, …; a deploy is two lines in
//! `DIR/RUN.log`. `runner follow URL LEASE DIR RUN` moves a run on. `runner throughput REPOS AGENTS`, `runner takeover LEASE`
//! and `runner chaos REPOS AGENTS KILLS SEED` print what they found as JSON. Times are in milliseconds.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use infra_sdk::names::RepoName;
use infra_sdk::runs::{
    AgentOptions, Deployer, FollowOptions, Job, RepoState, Run, RunStore, RunView, Watcher, follow, serve,
};
use infra_sdk::{CancelToken, Error, ErrorKind, Result};
use support::relay::{self, Relay};

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match runtime.expect("a runtime").block_on(work(std::env::args().skip(1).collect())) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}", error.report());
            ExitCode::FAILURE
        }
    }
}

async fn work(args: Vec<String>) -> Result<String> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["agent", url, lease, dir, repos, slots, takes] => {
            let options = AgentOptions {
                env: relay::staging(),
                serves: relay::repos(number(repos)? as usize),
                name: format!("agent {}", std::process::id()),
                slots: number(slots)? as usize,
                lease: millis(lease)?,
                once: false,
            };
            let lines = Lines { dir: PathBuf::from(dir), takes: millis(takes)? };
            let (deployer, cancel): (Arc<dyn Deployer>, _) = (Arc::new(lines), CancelToken::new());
            let store = store(url);
            Ok(serve(&store, &options, &deployer, &cancel).await?.to_string())
        }
        ["follow", url, lease, _, run] => {
            let mut options = FollowOptions::new(format!("coordinator {}", std::process::id()));
            options.lease = millis(lease)?;
            let store = store(url);
            let view = follow(&store, &run.parse()?, &options, &Silent, &CancelToken::new()).await?;
            match view.repos.iter().all(|repo| repo.state.is_done()) {
                true => Ok(String::new()),
                false => {
                    Err(Error::new(ErrorKind::Failed, format!("not every repo is done: {:?}", view.repos)))
                }
            }
        }
        ["throughput", repos, agents] => {
            let relay = Relay::start(program(), Duration::from_secs(10)).await;
            json(&relay::throughput(&relay, number(repos)? as usize, number(agents)? as usize).await)
        }
        ["takeover", lease] => json(&relay::takeover(&Relay::start(program(), millis(lease)?).await).await),
        ["chaos", repos, agents, kills, seed] => {
            let mut relay = Relay::start(program(), Duration::from_secs(2)).await;
            let [repos, agents, kills] =
                [number(repos)?, number(agents)?, number(kills)?].map(|n| n as usize);
            json(&relay::chaos(&mut relay, repos, agents, kills, number(seed)?).await)
        }
        _ => Err(Error::invalid("needs `agent`, `follow`, `throughput`, `takeover` or `chaos`")),
    }
}

fn store(url: &str) -> Arc<dyn RunStore> {
    Arc::new(relay::runs(url))
}

fn program() -> PathBuf {
    std::env::current_exe().expect("the system knows its programs")
}

fn number(text: &str) -> Result<u64> {
    text.parse().map_err(|_| Error::invalid(format!("{text:?} is no number")))
}

fn millis(text: &str) -> Result<Duration> {
    number(text).map(Duration::from_millis)
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::new(ErrorKind::Bug, "write JSON").because(error))
}

/// Deploys by writing it down.
struct Lines {
    dir: PathBuf,
    takes: Duration,
}

#[async_trait]
impl Deployer for Lines {
    async fn commit(&self, _: &RepoName) -> Option<String> {
        None
    }

    async fn deploy(&self, job: &Job, stop: &CancelToken) -> Result<()> {
        note(&self.dir, job, "start")?;
        tokio::select! {
            () = stop.cancelled() => {
                note(&self.dir, job, "stopped")?;
                return Err(Error::new(ErrorKind::Cancelled, "the deploy was stopped"));
            }
            () = tokio::time::sleep(self.takes) => {}
        }
        note(&self.dir, job, "end")
    }

    fn tell(&self, line: &str) {
        eprintln!("{line}");
    }

    async fn advanced(&self, _: &Job, _: &RepoState) {}
}

/// One line, whole, whoever else writes.
fn note(dir: &Path, job: &Job, what: &str) -> Result<()> {
    let log = dir.join(format!("{}.log", job.run));
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(log)?;
    let line = format!("{} {what} {} {}\n", job.repo, job.attempt, std::process::id());
    file.write_all(line.as_bytes())?;
    Ok(())
}

/// A coordinator that nobody looks at.
struct Silent;

#[async_trait]
impl Watcher for Silent {
    fn changed(&self, _: &RunView) {}

    fn notice(&self, line: &str) {
        eprintln!("{line}");
    }

    async fn advanced(&self, _: &Run, _: &RepoName, _: &RepoState) {}

    async fn over(&self, _: &RunView) -> Result<()> {
        Ok(())
    }
}
