//! How far a repo of a run is, and how far the run itself is.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::names::RepoName;
use crate::time::Timestamp;

/// How far one repo of a run is: `waiting → ready → running → done | failed | cancelled`, or `skipped`.
///
/// Times and names in it are for people; what is decided is decided by the state, its revision and leases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum RepoState {
    /// Others have to be done first.
    Waiting,
    /// An agent may claim it.
    Ready {
        /// The attempt that is to be made, counted from 1.
        attempt: u32,
    },
    /// An agent works on it.
    Running(Claim),
    /// Deployed.
    Done(End),
    /// Its deploy failed, or nobody served it.
    Failed(End),
    /// Stopped, because the run was cancelled.
    Cancelled(End),
    /// Not begun, because a repo it waits for was not deployed.
    Skipped {
        /// That repo.
        because: RepoName,
    },
}

/// Who works on a repo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Which attempt it is, counted from 1.
    pub attempt: u32,
    /// The agent, for people.
    pub agent: String,
    /// The id of the agent's lease: the claim holds for as long as that lease does.
    pub lease: String,
    /// Since when, by the agent's clock.
    pub since: Timestamp,
    /// The commit that its checkout has, where it is one of git.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// How the work on a repo ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The attempt that ended; 0 when none was begun.
    pub attempt: u32,
    /// The agent or coordinator that wrote it, for people.
    pub by: String,
    /// When the work began, by the clock of who wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// When it ended, by the same clock.
    pub at: Timestamp,
    /// The commit that was deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// What went wrong: masked, and short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl RepoState {
    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            RepoState::Waiting => "waiting",
            RepoState::Ready { .. } => "ready",
            RepoState::Running(_) => "running",
            RepoState::Done(_) => "done",
            RepoState::Failed(_) => "failed",
            RepoState::Cancelled(_) => "cancelled",
            RepoState::Skipped { .. } => "skipped",
        }
    }

    /// Whether nothing follows it.
    pub fn is_final(&self) -> bool {
        !matches!(self, RepoState::Waiting | RepoState::Ready { .. } | RepoState::Running(_))
    }

    /// Whether the repo is deployed.
    pub fn is_done(&self) -> bool {
        matches!(self, RepoState::Done(_))
    }

    /// The number of the attempt that is made, is to be made or was made; 0 before the first.
    pub fn attempt(&self) -> u32 {
        match self {
            RepoState::Waiting | RepoState::Skipped { .. } => 0,
            RepoState::Ready { attempt } => *attempt,
            RepoState::Running(claim) => claim.attempt,
            RepoState::Done(end) | RepoState::Failed(end) | RepoState::Cancelled(end) => end.attempt,
        }
    }
}

impl fmt::Display for RepoState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// How far the run itself is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "kebab-case")]
pub enum RunPhase {
    /// Repos are deployed as they become ready.
    Open,
    /// Somebody wishes it to end: nothing more is begun, and agents stop at their next safe point.
    Cancelling(Wish),
    /// Every repo is in its last state, and the end is in the ledger. The repos are free for another run.
    Closed,
}

/// Who wishes a run to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// Who.
    pub by: String,
    /// When, by that person's clock.
    pub at: Timestamp,
}

impl RunPhase {
    /// Whether the run has ended for good.
    pub fn is_closed(&self) -> bool {
        matches!(self, RunPhase::Closed)
    }
}
