//! What people and programs are told of a run: a table, and whether it went well.

use std::fmt;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::names::{EnvName, RepoName};
use crate::runs::{RepoState, RepoView, RunId, RunPhase, RunView, env_flag};
use crate::time::{Timestamp, human};

/// How far a run is, or how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunReport {
    /// The run.
    pub run: RunId,
    /// The environment.
    pub env: EnvName,
    /// Who started it.
    pub by: String,
    /// When.
    pub created: Timestamp,
    /// How far it is.
    pub outcome: RunOutcome,
    /// Its repos, each after those it waits for.
    pub repos: Vec<RepoReport>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunOutcome {
    /// It goes on.
    Running,
    /// It goes on, to its end: somebody cancelled it.
    Cancelling,
    /// Every repo is deployed.
    Done,
    /// A repo failed.
    Failed,
    /// It was cancelled before every repo was deployed.
    Cancelled,
}

/// How far one repo is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RepoReport {
    /// The repo.
    pub repo: RepoName,
    /// `waiting`, `ready`, `running`, `done`, `failed`, `cancelled` or `skipped`.
    pub state: &'static str,
    /// Which attempt; 0 before the first.
    pub attempt: u32,
    /// Who works on it, or did.
    pub agent: Option<String>,
    /// Since when, by that agent's clock.
    pub since: Option<Timestamp>,
    /// How long it took, in milliseconds, by the same clock.
    pub took_ms: Option<u64>,
    /// The commit that is or was deployed.
    pub commit: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
    /// The repo whose failure is why this one was skipped.
    pub because: Option<RepoName>,
}

impl RunReport {
    /// The repos that are being deployed now.
    pub fn running(&self) -> Vec<&str> {
        let running = self.repos.iter().filter(|repo| repo.state == "running");
        running.map(|repo| repo.repo.as_str()).collect()
    }

    /// What a view tells.
    pub fn of(view: &RunView) -> Self {
        let is = |word: &str| view.repos.iter().any(|repo| repo.state.word() == word);
        let outcome = match &view.phase {
            _ if view.is_over() && is("failed") => RunOutcome::Failed,
            _ if view.is_over() && (is("cancelled") || is("skipped")) => RunOutcome::Cancelled,
            _ if view.is_over() => RunOutcome::Done,
            RunPhase::Cancelling(_) => RunOutcome::Cancelling,
            _ => RunOutcome::Running,
        };
        RunReport {
            run: view.run.id.clone(),
            env: view.run.env.clone(),
            by: view.run.by.clone(),
            created: view.run.created,
            outcome,
            repos: view.repos.iter().map(RepoReport::of).collect(),
        }
    }

    /// How many repos are in a state.
    pub fn count(&self, state: &str) -> usize {
        self.repos.iter().filter(|repo| repo.state == state).count()
    }

    /// Fails when a run ended without having deployed every repo.
    ///
    /// # Errors
    /// `Failed` (exit code 1) naming what failed; `Cancelled` (exit code 130) when it was cancelled.
    pub fn require_done(&self) -> Result<()> {
        let names = |state: &str| -> Vec<&str> {
            self.repos.iter().filter(|repo| repo.state == state).map(|repo| repo.repo.as_str()).collect()
        };
        // Those alone: a run of all that is declared would deploy what nobody asked for.
        let rest = self.repos.iter().filter(|repo| repo.state != "done").map(|repo| repo.repo.as_str());
        let again = format!(
            "cargo xtask infra:deploy:all --repos {}{}",
            rest.collect::<Vec<_>>().join(","),
            env_flag(&self.env)
        );
        let error = match self.outcome {
            RunOutcome::Running | RunOutcome::Cancelling | RunOutcome::Done => return Ok(()),
            RunOutcome::Failed => {
                Error::new(ErrorKind::Failed, format!("not every repo was deployed: {}", self.counts()))
                    .with("failed", names("failed").join(", "))
                    .hint(format!("correct what failed, and deploy what is left: `{again}`"))
            }
            RunOutcome::Cancelled => {
                Error::new(ErrorKind::Cancelled, format!("the run was cancelled: {}", self.counts()))
                    .exit_with(130)
                    .hint(format!("deploy what is left: `{again}`"))
            }
        };
        Err(error.with("run", &self.run))
    }

    /// Such as `2 done, 1 failed`.
    pub fn counts(&self) -> String {
        let words = ["done", "running", "ready", "waiting", "failed", "cancelled", "skipped"];
        let counts = words.iter().map(|word| (self.count(word), word)).filter(|(count, _)| *count > 0);
        counts.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
    }

    /// The aligned rows of at most `limit` repos: what goes on and what went wrong first.
    pub fn table(&self, limit: usize) -> String {
        let rank = |repo: &&RepoReport| match repo.state {
            "running" => 0,
            "failed" => 1,
            "ready" => 2,
            "cancelled" | "skipped" => 3,
            "waiting" => 4,
            _ => 5,
        };
        let mut shown: Vec<&RepoReport> = self.repos.iter().collect();
        if shown.len() > limit {
            shown.sort_by_key(rank);
            shown.truncate(limit);
        }
        let name = |repo: &RepoReport| repo.repo.as_str().chars().count();
        let width = shown.iter().map(|repo| name(repo)).max().unwrap_or(0).max(4);
        let mut lines = vec![format!("  {:<width$}  {:<9}  attempt  {:<20}", "repo", "state", "agent")];
        for repo in &shown {
            let agent = repo.agent.as_deref().unwrap_or_default();
            let attempt = match repo.attempt {
                0 => String::new(),
                attempt => attempt.to_string(),
            };
            let mut line =
                format!("  {:<width$}  {:<9}  {attempt:>7}  {:<20}  ", repo.repo, repo.state, short(agent));
            line.push_str(&repo.told());
            lines.push(line);
        }
        if self.repos.len() > shown.len() {
            lines.push(format!("  and {} more", self.repos.len() - shown.len()));
        }
        lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
    }

    /// What it is called in one line.
    pub fn title(&self) -> String {
        let goes = match self.outcome {
            RunOutcome::Running => "goes on",
            RunOutcome::Cancelling => "is being cancelled",
            RunOutcome::Done => "is done",
            RunOutcome::Failed => "failed",
            RunOutcome::Cancelled => "was cancelled",
        };
        format!("run {} into {} {goes}: {}", self.run, self.env, self.counts())
    }
}

/// An agent's name in a column.
fn short(name: &str) -> String {
    match name.chars().count() {
        0..=20 => name.escape_debug().to_string(),
        _ => name.chars().take(19).flat_map(char::escape_debug).chain(['…']).collect(),
    }
}

impl RepoReport {
    fn of(view: &RepoView) -> Self {
        let mut report = RepoReport {
            repo: view.repo.clone(),
            state: view.state.word(),
            attempt: view.state.attempt(),
            agent: None,
            since: None,
            took_ms: None,
            commit: None,
            error: None,
            because: None,
        };
        match &view.state {
            RepoState::Waiting | RepoState::Ready { .. } => {}
            RepoState::Running(claim) => {
                report.agent = Some(claim.agent.clone());
                report.since = Some(claim.since);
                report.commit = claim.commit.clone();
            }
            RepoState::Done(end) | RepoState::Failed(end) | RepoState::Cancelled(end) => {
                report.agent = Some(end.by.clone());
                report.since = end.since;
                let took = end.since.map(|since| since.until(end.at));
                report.took_ms = took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
                report.commit = end.commit.clone();
                report.error = end.error.clone();
            }
            RepoState::Skipped { because } => report.because = Some(because.clone()),
        }
        report
    }

    /// What stands at the end of its row.
    fn told(&self) -> String {
        match (&self.because, self.took_ms, self.since) {
            (Some(because), ..) => format!("because of {because}"),
            (_, Some(took), _) => human(std::time::Duration::from_millis(took)),
            (_, _, Some(since)) => format!("since {} UTC", since.to_string().get(11..19).unwrap_or_default()),
            _ => String::new(),
        }
    }
}

impl fmt::Display for RunReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.title(), self.table(usize::MAX))?;
        for repo in &self.repos {
            if let Some(error) = &repo.error {
                write!(f, "\n{}: {}", repo.repo, error.replace('\n', "\n  "))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::{Claim, End, Revision, Run, RunRepo};

    fn view(states: Vec<RepoState>) -> RunView {
        let name = |at: usize| -> RepoName { format!("repo-{at}").parse().unwrap() };
        let repos = (0..states.len())
            .map(|at| RunRepo { repo: name(at), after: Vec::new(), task: "deploy".into() })
            .collect();
        let run = Run {
            id: "20261129-231502-4f2a9c".parse().unwrap(),
            env: "staging".parse().unwrap(),
            by: "ada".into(),
            created: "2026-11-29T23:15:02Z".parse().unwrap(),
            repos,
            wait: None,
        };
        let repos = states
            .into_iter()
            .enumerate()
            .map(|(at, state)| RepoView { repo: name(at), state, revision: Revision(at as u64) })
            .collect();
        RunView { run, phase: RunPhase::Open, phase_revision: Revision(0), repos, revision: Revision(9) }
    }

    fn end(error: Option<&str>) -> End {
        End {
            attempt: 2,
            by: "bob@build-1".into(),
            since: Some("2026-11-29T23:16:00Z".parse().unwrap()),
            at: "2026-11-29T23:16:03Z".parse().unwrap(),
            commit: None,
            error: error.map(String::from),
        }
    }

    #[test]
    fn a_table_is_aligned_and_says_what_happened() {
        let claim = Claim {
            attempt: 1,
            agent: "an agent with quite a long name".into(),
            lease: "x".into(),
            since: "2026-11-29T23:16:00Z".parse().unwrap(),
            commit: None,
        };
        let states = vec![
            RepoState::Done(end(None)),
            RepoState::Running(claim),
            RepoState::Ready { attempt: 1 },
            RepoState::Failed(end(Some("program failed\nlast line"))),
            RepoState::Skipped { because: "repo-3".parse().unwrap() },
            RepoState::Waiting,
        ];
        let report = RunReport::of(&view(states));
        assert_eq!(
            report.to_string(),
            "run 20261129-231502-4f2a9c into staging goes on: 1 done, 1 running, 1 ready, 1 waiting, 1 failed, 1 skipped\n  \
             repo    state      attempt  agent\n  \
             repo-0  done             2  bob@build-1           3.0 s\n  \
             repo-1  running          1  an agent with quite…  since 23:16:00 UTC\n  \
             repo-2  ready            1\n  \
             repo-3  failed           2  bob@build-1           3.0 s\n  \
             repo-4  skipped                                   because of repo-3\n  \
             repo-5  waiting\n\
             repo-3: program failed\n  last line"
        );
        let short = report.table(2);
        assert!(
            short.contains("repo-1") && short.contains("repo-3") && short.ends_with("and 4 more"),
            "{short}"
        );
        assert!(report.require_done().is_ok(), "it goes on");
    }

    #[test]
    fn only_a_run_whose_every_repo_is_deployed_went_well() {
        let of = |states: Vec<RepoState>| RunReport::of(&view(states));
        assert!(of(vec![RepoState::Done(end(None))]).require_done().is_ok());
        let skipped = RepoState::Skipped { because: "repo-0".parse().unwrap() };
        let failed = of(vec![RepoState::Done(end(None)), RepoState::Failed(end(None)), skipped.clone()]);
        let told = failed.require_done().unwrap_err().report().to_string();
        assert!(told.contains("infra:deploy:all --repos repo-1,repo-2 --env staging`"), "{told}");
        let failed = of(vec![RepoState::Failed(end(None)), skipped]).require_done().unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::Failed);
        assert!(
            failed.to_string().contains("1 failed, 1 skipped")
                && failed.to_string().contains("failed: repo-0")
        );
        let cancelled = of(vec![RepoState::Done(end(None)), RepoState::Cancelled(end(None))]);
        assert_eq!(cancelled.outcome, RunOutcome::Cancelled);
        assert_eq!(cancelled.require_done().unwrap_err().exit_code(), Some(130));
    }
}
