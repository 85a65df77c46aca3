//! Repos that are ready and that nobody serves: said after a while, and given up after a longer one.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::names::{EnvName, RepoName};
use crate::runs::agents::Agents;
use crate::runs::{RepoState, RunView, env_flag};
use crate::time::human;

/// After how long it is said; agents that start together with the run need a moment.
const SAID_AFTER: Duration = Duration::from_secs(5);

/// Since when nobody serves what is ready, by the clock of this process alone.
#[derive(Debug)]
pub(super) struct Unserved {
    wait: Duration,
    since: HashMap<RepoName, Since>,
}

#[derive(Debug)]
struct Since {
    first: Instant,
    said: bool,
}

impl Unserved {
    /// Gives up what nobody serves for `wait`.
    pub(super) fn new(wait: Duration) -> Self {
        Unserved { wait, since: HashMap::new() }
    }

    /// Compares what is ready with who is there; gives the lines to be said now.
    pub(super) fn look(&mut self, view: &RunView, agents: &Agents) -> Vec<String> {
        let now = Instant::now();
        let unserved = |repo: &RepoName, state: &RepoState| {
            matches!(state, RepoState::Ready { .. }) && !agents.serve(repo)
        };
        let mut lines = Vec::new();
        for repo in &view.repos {
            if !unserved(&repo.repo, &repo.state) {
                self.since.remove(&repo.repo);
                continue;
            }
            let since = self.since.entry(repo.repo.clone()).or_insert(Since { first: now, said: false });
            if !since.said && since.first.elapsed() >= SAID_AFTER.min(self.wait / 2) {
                since.said = true;
                let (command, wait) = (agent_command(&view.run.env), human(self.wait));
                lines.push(format!(
                    "nobody serves {}: start `{command}` in its checkout; given up after {wait}",
                    repo.repo
                ));
            }
        }
        lines
    }

    /// Why a repo is given up, if nobody served it for too long.
    pub(super) fn given_up(&self, repo: &RepoName, env: &EnvName) -> Option<String> {
        let since = self.since.get(repo).filter(|since| since.first.elapsed() >= self.wait)?;
        Some(format!(
            "nobody served it for {}: start `{}` in its checkout, and deploy again",
            human(since.first.elapsed()),
            agent_command(env)
        ))
    }
}

fn agent_command(env: &EnvName) -> String {
    format!("cargo xtask infra:deploy:agent{}", env_flag(env))
}
