//! What a run is to do: which repos, in which order. It never changes once the run exists.

use serde::{Deserialize, Serialize};

use crate::names::{EnvName, RepoName};
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
    /// The repo of that name.
    pub fn repo(&self, name: &RepoName) -> Option<&RunRepo> {
        self.repos.iter().find(|repo| repo.repo == *name)
    }
}
