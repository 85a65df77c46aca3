//! One deploy over many repos: made of what the settings declare, followed to its end, recorded and told.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use serde_json::json;

use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::events::vocabulary;
use crate::infra::open::Infra;
use crate::ledger::{self, Outcome};
use crate::names::RepoName;
use crate::runs::{
    self, Created, FollowOptions, RepoState, Run, RunId, RunOutcome, RunReport, RunView, Watcher, Wish,
};
use crate::time::Timestamp;

/// What runs are called in the ledger, at their start and at their end.
const START: &str = "deploy.all.start";
const END: &str = "deploy.all";

/// A run that is not begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PlannedRun(pub Run);

impl fmt::Display for PlannedRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a run into {}, each repo once", self.0.env)?;
        for repo in &self.0.repos {
            let after: Vec<&str> = repo.after.iter().map(RepoName::as_str).collect();
            match after.is_empty() {
                true => write!(f, "\n  {}", repo.repo)?,
                false => write!(f, "\n  {} after {}", repo.repo, after.join(", "))?,
            }
        }
        Ok(())
    }
}

/// How a run is followed.
#[derive(Clone)]
pub struct Follow {
    /// How long others wait for a sign of life of this process; `None`: 15 seconds.
    pub lease: Option<Duration>,
    /// How long a repo may wait for an agent that serves it, for as long as this process moves the run on; `None`: as the run
    /// says.
    pub wait: Option<Duration>,
    /// Hears of every change, with how far the run is.
    pub on_change: Arc<dyn Fn(&RunView) + Send + Sync>,
}

impl Default for Follow {
    fn default() -> Self {
        Follow { lease: None, wait: None, on_change: Arc::new(|_| {}) }
    }
}

impl Infra {
    /// The run that deploys these repos into this environment, in the order that `[repos]` declares; all that are
    /// declared when none are named. Nothing is begun. A repo may `wait` so long for an agent that serves it, whoever moves the
    /// run on; `None`: ten minutes.
    ///
    /// # Errors
    /// `NotFound` for a repo that is not declared although others are; `Invalid` for one that is named twice.
    pub fn plan_run(&self, repos: &[RepoName], wait: Option<Duration>) -> Result<PlannedRun> {
        let repos = runs::in_order(&self.settings().repos, repos)?;
        let run = Run::new(self.environment().clone(), ledger::actor(self.env()), repos)?;
        Ok(PlannedRun(Run { wait, ..run }))
    }

    /// Makes the run; agents begin as soon as somebody [follows](Infra::follow_run) it.
    ///
    /// # Errors
    /// `Conflict` naming the run that has one of the repos; what the store and the ledger fail with.
    pub async fn start_run(&self, PlannedRun(run): &PlannedRun) -> Result<()> {
        self.before_change().await?;
        let names: Vec<&str> = run.repos.iter().map(|repo| repo.repo.as_str()).collect();
        let created = match self.ports().runs.create(run).await {
            Err(error) if error.kind() == ErrorKind::Conflict && self.end_what_is_over().await? > 0 => {
                self.ports().runs.create(run).await
            }
            created => created,
        };
        if created? == Created::Now {
            let noted =
                self.record(START, run.id.as_str(), Outcome::Done, &[("repos", names.join(" "))]).await;
            noted.context(format!("run {} was made, but this could not be noted", run.id)).map_err(
                |error| {
                    let flag = runs::env_flag(&run.env);
                    error.hint(format!("follow it with `cargo xtask infra:deploy:resume {}{flag}`", run.id))
                },
            )?;
            self.announce(vocabulary::RUN_START, json!({ "run": run.id, "repos": names })).await;
        }
        Ok(())
    }

    /// Ends the runs of which every repo is in its last state, and that nobody ended: who moved them on died just before. Gives
    /// how many.
    async fn end_what_is_over(&self) -> Result<usize> {
        let mut count = 0;
        for run in self.ports().runs.unfinished(self.environment()).await?.runs {
            if self.ports().runs.load(&run).await?.is_over() {
                self.follow_run(&run, &Follow::default()).await?;
                count += 1;
            }
        }
        Ok(count)
    }

    /// Follows a run to its end, and moves it on whenever nobody else does.
    ///
    /// # Errors
    /// `NotFound` when there is no such run; `Invalid` for one of another environment; `Cancelled` when the host is, which
    /// leaves the run as it is; what the store and the ledger fail with.
    pub async fn follow_run(&self, run: &RunId, follow: &Follow) -> Result<RunReport> {
        self.require_here(run).await?;
        let options = self.follow_options(follow);
        let watcher = RunTeller { infra: self.clone(), on_change: follow.on_change.clone() };
        let followed = runs::follow(&self.ports().runs, run, &options, &watcher, &self.host().cancel);
        let view = followed.await.map_err(|error| match error.kind() {
            ErrorKind::Cancelled => {
                let flag = runs::env_flag(self.environment());
                error.hint(format!("follow it again with `cargo xtask infra:deploy:resume {run}{flag}`"))
            }
            _ => error,
        })?;
        Ok(RunReport::of(&view))
    }

    /// How far a run is.
    ///
    /// # Errors
    /// `NotFound` when there is no such run; what the store fails with.
    pub async fn run_report(&self, run: &RunId) -> Result<RunReport> {
        Ok(RunReport::of(&self.ports().runs.load(run).await?))
    }

    /// The run that is meant: `last` is the newest of this environment.
    ///
    /// # Errors
    /// `NotFound` when there was none; `Invalid` for a text that is no run's name.
    pub async fn run_named(&self, text: &str) -> Result<RunId> {
        if text != "last" {
            return text.parse();
        }
        let recent = self.ports().runs.recent(200).await?;
        let here = |run: &runs::RunSummary| run.env == *self.environment();
        recent.into_iter().find(here).map(|run| run.id).ok_or_else(|| {
            Error::not_found("no deploy over many repos was started here yet")
                .with("environment", self.environment())
                .hint("start one with `cargo xtask infra:deploy:all`")
        })
    }

    /// Wishes that a run ends: nothing more of it is begun, and agents stop at their next safe point. Follow it to see it
    /// end.
    ///
    /// # Errors
    /// `NotFound` when there is no such run; `Invalid` when it has ended, or is one of another environment; what the store
    /// fails with.
    pub async fn cancel_run(&self, run: &RunId) -> Result<()> {
        self.require_here(run).await?;
        let wish = Wish { by: ledger::actor(self.env()), at: Timestamp::now() };
        runs::wish_to_end(&*self.ports().runs, run, wish, &|line| self.host().tell(line)).await
    }

    /// What is confirmed for one environment is not done in another: the name of a run is valid in all of them.
    async fn require_here(&self, run: &RunId) -> Result<()> {
        let tell = |line: &str| self.host().tell(line);
        let (view, here) = (runs::load(&*self.ports().runs, run, &tell).await?, self.environment());
        let there = &view.run.env;
        if there == here {
            return Ok(());
        }
        Err(Error::invalid(format!("run {run} is one of the environment {there}, and not of {here}"))
            .hint(format!("run the same command with `--env {there}`")))
    }

    pub(super) fn follow_options(&self, follow: &Follow) -> FollowOptions {
        let mut options = FollowOptions::new(ledger::actor(self.env()));
        // A shorter one would ask the store all the time, and end while it is written down.
        options.lease = follow.lease.unwrap_or(options.lease).max(runs::SHORTEST);
        options.wait = follow.wait;
        options
    }

    /// Tells the others of a repo that is in its last state. Events are for those who listen: none is a reason to stop.
    pub(super) async fn tell_step(&self, run: &RunId, repo: &RepoName, state: &RepoState) {
        if !state.is_final() {
            return;
        }
        let data = json!({ "run": run, "repo": repo, "state": state.word(), "attempt": state.attempt() });
        self.announce(vocabulary::RUN_STEP, data).await;
    }
}

/// Who hears how a run goes on: the host, the others of the environment, and in the end the ledger.
pub(super) struct RunTeller {
    pub(super) infra: Infra,
    pub(super) on_change: Arc<dyn Fn(&RunView) + Send + Sync>,
}

#[async_trait]
impl Watcher for RunTeller {
    fn changed(&self, view: &RunView) {
        (self.on_change)(view);
    }

    fn notice(&self, line: &str) {
        self.infra.host().tell(line);
    }

    async fn advanced(&self, run: &Run, repo: &RepoName, state: &RepoState) {
        self.infra.tell_step(&run.id, repo, state).await;
    }

    async fn over(&self, view: &RunView) -> Result<()> {
        let report = RunReport::of(view);
        let (outcome, event) = match report.outcome {
            RunOutcome::Done => (Outcome::Done, vocabulary::RUN_DONE),
            RunOutcome::Cancelled => (Outcome::Cancelled, vocabulary::RUN_CANCELLED),
            _ => (Outcome::Failed, vocabulary::RUN_FAILED),
        };
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        report.repos.iter().for_each(|repo| *counts.entry(repo.state).or_default() += 1);
        let details: Vec<(&str, String)> =
            counts.iter().map(|(state, count)| (*state, count.to_string())).collect();
        self.infra.record(END, report.run.as_str(), outcome, &details).await?;
        self.infra.announce(event, json!({ "run": report.run, "repos": counts })).await;
        Ok(())
    }
}
