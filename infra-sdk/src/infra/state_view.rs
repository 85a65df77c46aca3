//! Looking at states: which there are, what is in one, and what changed; by names, never by values.

use std::fmt;

use serde::Serialize;

use crate::error::Result;
use crate::infra::open::Infra;
use crate::names::OrgName;
use crate::state::{ShownState, SnapshotId, StateDiff, StateDocument, StateKey, TfLock};
use crate::time::human;

/// The states that are kept for an organisation.
#[derive(Clone, Debug, Serialize)]
pub struct StateList {
    /// Whose they are.
    pub owner: OrgName,
    /// Their keys, in order.
    pub states: Vec<StateKey>,
}

impl fmt::Display for StateList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.states.is_empty() {
            return write!(f, "no state of {} is kept here", self.owner);
        }
        let rows: Vec<[&str; 3]> =
            self.states.iter().map(|key| [key.repo.as_str(), key.env.as_str(), key.stack.as_str()]).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or_default();
        let (repo, env) = (width(0), width(1));
        for (index, row) in rows.iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}{:repo$}  {:env$}  {}", row[0], row[1], row[2])?;
        }
        Ok(())
    }
}

/// One stack's state.
#[derive(Clone, Debug, Serialize)]
pub struct StackState {
    /// Its key.
    pub key: StateKey,
    /// What is in it; `None` when there is none yet.
    pub state: Option<ShownState>,
    /// Whether Terraform finds it locked.
    pub is_locked: bool,
    /// What the lock says, if it can be read.
    pub lock: Option<TfLock>,
    #[serde(skip)]
    locked_for: String,
}

impl fmt::Display for StackState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            Some(state) => write!(f, "{}: {state}", self.key)?,
            None => write!(f, "{}: nothing was applied yet", self.key)?,
        }
        if !self.is_locked {
            return Ok(());
        }
        match &self.lock {
            None => write!(f, "\nlocked for {}; the lock does not say by whom", self.locked_for),
            Some(lock) => {
                let shown = |text: &str| text.escape_debug().to_string();
                let (who, operation) = (shown(&lock.who), shown(&lock.operation));
                write!(f, "\nlocked for {} by {who} ({operation})", self.locked_for)?;
                if !lock.info.is_empty() {
                    write!(f, ": {}", shown(&lock.info))?;
                }
                write!(f, ", lock {}", shown(&lock.id))
            }
        }
    }
}

impl Infra {
    /// The states that are kept for this organisation where this environment keeps its own.
    ///
    /// # Errors
    /// `Unavailable`, `Denied` or `Io`.
    pub async fn states(&self) -> Result<StateList> {
        let owner = self.settings().project.org.clone();
        let states = self.ports().state.list(&owner).await?;
        Ok(StateList { owner, states })
    }

    /// What is in a stack's state, and who holds its lock.
    ///
    /// # Errors
    /// `NotFound` when there is no such stack; `Invalid` when the state is cut off or of an unknown format;
    /// `Unavailable`, `Denied` or `Io`.
    pub async fn show_state(&self, stack: &str) -> Result<StackState> {
        let key = self.state_key(self.stack_named(stack)?.0);
        let bytes = self.ports().state.read(&key).await?;
        let state = bytes.as_deref().map(StateDocument::parse).transpose()?.map(|state| state.shown());
        let seen = self.ports().state_locks.state_lock(&key).await?;
        Ok(StackState {
            key,
            state,
            is_locked: seen.is_some(),
            locked_for: seen.as_ref().map(|seen| human(seen.age)).unwrap_or_default(),
            lock: seen.and_then(|seen| seen.lock),
        })
    }

    /// What changed in a stack's state from one copy to another; without `from`, from the newest copy that differs; without
    /// `to`, to the state as it is. So by default: what the last apply changed.
    ///
    /// # Errors
    /// `NotFound` when there is no such stack or copy; `Conflict` when they are of two histories; `Invalid` when one is
    /// cut off or of an unknown format.
    pub async fn diff_state(
        &self,
        stack: &str,
        from: Option<&SnapshotId>,
        to: Option<&SnapshotId>,
    ) -> Result<StateDiff> {
        let key = self.state_key(self.stack_named(stack)?.0);
        let state = &self.ports().state;
        let copy =
            async |id: &SnapshotId| state.read_snapshot(&key, id).await?.ok_or_else(|| self.no_copy(id));
        let after = match to {
            Some(id) => Some(copy(id).await?),
            None => state.read(&key).await?,
        };
        let before = match from {
            Some(id) => Some(copy(id).await?),
            None => {
                let mut before = None;
                for older in state.snapshots(&key).await?.into_iter().rev() {
                    let bytes = copy(&older.id).await?;
                    if after.as_ref() != Some(&bytes) {
                        before = Some(bytes);
                        break;
                    }
                }
                before
            }
        };
        StateDiff::between(
            before.as_deref().map(StateDocument::parse).transpose()?.as_ref(),
            after.as_deref().map(StateDocument::parse).transpose()?.as_ref(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_aligned_and_says_when_it_is_empty() {
        let key = |text: &str| text.parse().unwrap();
        let states = vec![
            key("acme/api/staging/network/terraform.tfstate"),
            key("acme/web-app/prod/x/terraform.tfstate"),
        ];
        let mut list = StateList { owner: "acme".parse().unwrap(), states };
        assert_eq!(list.to_string(), "api      staging  network\nweb-app  prod     x");
        list.states.clear();
        assert_eq!(list.to_string(), "no state of acme is kept here");
    }
}
