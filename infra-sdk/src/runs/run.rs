//! What a run is to do: which repos, in which order. It never changes once the run exists.

use std::collections::HashSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::names::{EnvName, RepoName, is_task, quoted};
use crate::runs::RunId;
use crate::time::Timestamp;

/// A deploy over several repos into one environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its name, unique in the organisation.
    pub id: RunId,
    /// The environment all repos are deployed into.
    pub env: EnvName,
    /// Who started it, for people.
    pub by: String,
    /// When, by the clock of the machine that started it; for people.
    pub created: Timestamp,
    /// The repos, each once, every one after those it waits for.
    pub repos: Vec<RunRepo>,
    /// How long a repo may wait for an agent that serves it, whoever moves the run on; `None`: what that one deems right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Duration>,
}

/// One repo of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRepo {
    /// The repo.
    pub repo: RepoName,
    /// The repos of this run that must be done before it starts.
    #[serde(default)]
    pub after: Vec<RepoName>,
    /// The task that deploys it: `cargo xtask TASK`.
    pub task: String,
}

/// What creating a run did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// The run was made now.
    Now,
    /// A run of this name was there before, and is as it was.
    Before,
}

impl Run {
    /// A new run of these repos, that starts now.
    ///
    /// # Errors
    /// As [`check`](Run::check); `Unavailable` when the system gives no randomness for its name.
    pub fn new(env: EnvName, by: impl Into<String>, repos: Vec<RunRepo>) -> Result<Self> {
        let (id, created) = (RunId::new()?, Timestamp::now());
        let run = Run { id, env, by: by.into(), created, repos, wait: None };
        run.check()?;
        Ok(run)
    }

    /// Whether it can be deployed at all: each repo once, after all that it waits for, by a task that can be named.
    ///
    /// # Errors
    /// `Invalid` naming the repo that is there twice, waits for one that is not in the run or not before it, which also
    /// finds repos that wait for each other, or whose task is none.
    pub fn check(&self) -> Result<()> {
        let mut before = HashSet::new();
        for RunRepo { repo, after, task } in &self.repos {
            check_task(task).map_err(|error| error.with("repo", repo))?;
            if let Some(missing) = after.iter().find(|name| !before.contains(*name)) {
                let why = match self.repo(missing) {
                    Some(_) => "which does not come before it",
                    None => "which is not in the run",
                };
                return Err(Error::invalid(format!("`{repo}` waits for `{missing}`, {why}"))
                    .hint("name every repo after those it waits for; no two can wait for each other"));
            }
            if !before.insert(repo) {
                return Err(Error::invalid(format!("the repo `{repo}` is in the run twice"))
                    .hint("each repo of a run is deployed exactly once: name it once"));
            }
        }
        Ok(())
    }

    /// The repo of that name.
    pub fn repo(&self, name: &RepoName) -> Option<&RunRepo> {
        self.repos.iter().find(|repo| repo.repo == *name)
    }
}

/// Lets the name of a task pass.
///
/// # Errors
/// `Invalid` when it cannot.
pub(super) fn check_task(text: &str) -> Result<()> {
    match is_task(text) {
        true => Ok(()),
        false => Err(Error::invalid(format!("{} is not the name of a task", quoted(text)))
            .hint("write it as the task list shows it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(repos: &[(&str, &[&str], &str)]) -> Result<Run> {
        let name = |text: &&str| text.parse().unwrap();
        let repos = repos.iter().map(|(repo, after, task)| RunRepo {
            repo: name(repo),
            after: after.iter().map(name).collect(),
            task: (*task).into(),
        });
        Run::new("staging".parse().unwrap(), "ada", repos.collect())
    }

    #[test]
    fn a_run_has_each_repo_once_after_those_it_waits_for() {
        assert!(run(&[("api", &[], "deploy"), ("web", &["api"], "infra:ship-2")]).is_ok());
        let refused = |repos: &[(&str, &[&str], &str)], part: &str| {
            let error = run(repos).unwrap_err();
            assert!(error.to_string().contains(part) && !error.hints().is_empty(), "{error:?}");
        };
        refused(&[("api", &[], "deploy"), ("api", &[], "deploy")], "twice");
        refused(&[("web", &["api"], "deploy")], "not in the run");
        refused(&[("web", &["api"], "deploy"), ("api", &[], "deploy")], "not come before");
        refused(&[("web", &["api"], "deploy"), ("api", &["web"], "deploy")], "not come before");
        refused(&[("web", &["web"], "deploy")], "not come before");
    }

    #[test]
    fn a_task_that_a_program_would_take_for_something_else_is_refused() {
        for bad in ["", "--yes=infra:apply", "-x", ":x", "a b", "a/b", "Deploy", "a\n", &"a".repeat(101)] {
            assert!(check_task(bad).is_err(), "{bad:?}");
            assert!(run(&[("api", &[], bad)]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_run_of_before_that_names_no_wait_is_still_read() {
        let mut known = run(&[("api", &[], "deploy")]).unwrap();
        let text = serde_json::to_string(&known).unwrap();
        assert!(!text.contains("wait"), "{text}");
        assert_eq!(serde_json::from_str::<Run>(&text).unwrap(), known);
        known.wait = Some(Duration::from_millis(1500));
        let text = serde_json::to_string(&known).unwrap();
        assert_eq!(serde_json::from_str::<Run>(&text).unwrap(), known);
    }
}
