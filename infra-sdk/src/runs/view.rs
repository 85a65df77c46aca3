//! A run as a store keeps it: what it is to do, how far each repo is, and at which revision.

use serde::{Deserialize, Serialize};

use crate::names::{EnvName, RepoName};
use crate::runs::{RepoState, Run, RunId, RunPhase};

/// The place of a change among all changes of a run: it grows with every one. Whoever names the revision that
/// was seen changes only what nobody changed since; so the revision of a claim is its fencing token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

/// A run, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunView {
    /// What it is to do.
    pub run: Run,
    /// How far it is itself.
    pub phase: RunPhase,
    /// The revision of the phase.
    pub phase_revision: Revision,
    /// How far each repo is, in the order of [`Run::repos`].
    pub repos: Vec<RepoView>,
    /// The last change this view knows of, for [`RunStore::changes`](crate::runs::RunStore::changes).
    pub revision: Revision,
}

/// How far one repo is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoView {
    /// The repo.
    pub repo: RepoName,
    /// Its state.
    pub state: RepoState,
    /// The change that made it so.
    pub revision: Revision,
}

/// What changed in a run since a revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The phase and its revision, if it changed.
    pub phase: Option<(RunPhase, Revision)>,
    /// The repos that changed, in no order, each once, with what they are now.
    pub repos: Vec<RepoView>,
    /// The last change this knows of; the one asked with when nothing changed.
    pub revision: Revision,
}

/// A run in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunSummary {
    /// Its name.
    pub id: RunId,
    /// The environment.
    pub env: EnvName,
    /// How far it is.
    pub phase: RunPhase,
}

impl RunView {
    /// How far a repo is.
    pub fn repo(&self, name: &RepoName) -> Option<&RepoView> {
        self.repos.iter().find(|repo| repo.repo == *name)
    }

    /// Whether every repo is in its last state.
    pub fn is_over(&self) -> bool {
        self.repos.iter().all(|repo| repo.state.is_final())
    }

    /// Takes in what changed; what is older than what the view knows is left out.
    pub fn take_in(&mut self, changes: Changes) {
        if let Some((phase, revision)) = changes.phase
            && revision > self.phase_revision
        {
            (self.phase, self.phase_revision) = (phase, revision);
        }
        for change in changes.repos {
            if let Some(known) = self.repos.iter_mut().find(|known| known.repo == change.repo)
                && change.revision > known.revision
            {
                *known = change;
            }
        }
        self.revision = self.revision.max(changes.revision);
    }
}
