//! What stands at the keys of runs, beside what the runs themselves are.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::names::EnvName;
use crate::nats::runs::bucket::Entry;
use crate::runs::{RunId, RunPhase};

/// How far a run is, with what a list of runs shows of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Phase {
    pub(super) phase: RunPhase,
    pub(super) env: EnvName,
    /// The revision of what the run is to do: the order in which runs were created.
    pub(super) born: u64,
    /// Whether another run took its repos before it was whole: it never was a run, and never becomes one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) given_up: bool,
}

impl Phase {
    /// The phase that stands at a key, and at which revision; `None` when nothing does.
    ///
    /// # Errors
    /// `Invalid` for what cannot be read.
    pub(super) fn of(entry: Option<Entry>) -> Result<Option<(Phase, u64)>> {
        match entry.filter(Entry::is_there) {
            Some(entry) => Ok(Some((entry.read()?, entry.revision))),
            None => Ok(None),
        }
    }
}

/// Which run has a repo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Busy {
    pub(super) run: RunId,
}
