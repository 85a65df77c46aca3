//! Which agents are there now, and what each serves: what they note beside their leases.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::names::{EnvName, RepoName};
use crate::runs::RunStore;

/// What stands before the names of agents' leases.
pub(super) const PREFIX: &str = "agents/";

/// What an agent notes beside its lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Service {
    pub(super) env: EnvName,
    pub(super) repos: Vec<RepoName>,
}

/// The agents of one moment.
#[derive(Debug, Default)]
pub(super) struct Agents {
    leases: HashSet<String>,
    serve: HashSet<RepoName>,
}

impl Agents {
    /// Those that are there now; of those for other environments only that they are.
    pub(super) async fn now(store: &dyn RunStore, env: &EnvName) -> Result<Self> {
        let mut agents = Agents::default();
        for lease in store.leases(PREFIX).await? {
            agents.leases.insert(lease.id);
            // An agent of another version may note something else: it counts as there.
            if let Ok(service) = serde_json::from_str::<Service>(&lease.note)
                && service.env == *env
            {
                agents.serve.extend(service.repos);
            }
        }
        Ok(agents)
    }

    /// Whether the agent with this lease is there.
    pub(super) fn has(&self, lease: &str) -> bool {
        self.leases.contains(lease)
    }

    /// Whether somebody serves a repo.
    pub(super) fn serve(&self, repo: &RepoName) -> bool {
        self.serve.contains(repo)
    }
}
