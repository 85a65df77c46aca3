//! What happened to a stack's state: copies that are kept, and applies that are recorded.

use std::fmt;

use serde::Serialize;

use crate::error::Result;
use crate::infra::open::Infra;
use crate::ledger::{Entry, Outcome};
use crate::names::Label;
use crate::state::SnapshotId;
use crate::time::Timestamp;

/// The copies of a state and the applies that changed it, oldest first.
#[derive(Clone, Debug, Serialize)]
pub struct StateHistory {
    /// The stack.
    pub stack: Label,
    /// What happened.
    pub moments: Vec<StateMoment>,
}

/// One thing that happened to a state.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum StateMoment {
    /// A copy was kept, as is done before and after each apply; `infra:state:rollback --copy` goes back to it, and
    /// `infra:state:restore --copy` puts it back.
    Copy {
        /// When.
        time: Timestamp,
        /// Its id.
        id: SnapshotId,
        /// In bytes.
        size: u64,
    },
    /// An apply.
    Apply {
        /// When.
        time: Timestamp,
        /// Who did it.
        actor: String,
        /// How it ended.
        outcome: Outcome,
        /// What it changed, in numbers.
        plan: Option<String>,
        /// The serial of the state after it.
        serial: Option<String>,
        /// The commit of its code.
        commit: Option<String>,
    },
}

impl StateMoment {
    fn time(&self) -> Timestamp {
        match self {
            StateMoment::Copy { time, .. } | StateMoment::Apply { time, .. } => *time,
        }
    }

    fn of(entry: Entry) -> Self {
        let detail = |name: &str| entry.details.get(name).cloned();
        StateMoment::Apply {
            time: entry.time,
            plan: detail("plan"),
            serial: detail("serial"),
            commit: detail("commit"),
            actor: entry.actor,
            outcome: entry.outcome,
        }
    }
}

impl fmt::Display for StateMoment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Seconds are enough for people.
        let time = self.time().to_string();
        write!(f, "{}Z  ", time.split('.').next().unwrap_or(&time))?;
        match self {
            StateMoment::Copy { id, size, .. } => write!(f, "copy   {id}  {size} bytes"),
            StateMoment::Apply { actor, outcome, plan, serial, commit, .. } => {
                write!(f, "apply  {outcome} by {}", actor.escape_debug())?;
                for (name, text) in [("", plan), ("serial ", serial), ("commit ", commit)] {
                    if let Some(text) = text {
                        write!(f, ", {name}{}", text.escape_debug())?;
                    }
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for StateHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.moments.is_empty() {
            return write!(f, "{}: nothing happened yet", self.stack);
        }
        let lines: Vec<String> = self.moments.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl Infra {
    /// The copies of a stack's state, and the applies that the ledger knows of it; the last `limit` of both together.
    ///
    /// # Errors
    /// `NotFound` when there is no such stack; what reading state or ledger fails with.
    pub async fn state_history(&self, stack: &str, limit: usize) -> Result<StateHistory> {
        let (name, _) = self.stack_named(stack)?;
        let copies = self.ports().state.snapshots(&self.state_key(name)).await?;
        let copies = copies.into_iter().map(|copy| StateMoment::Copy {
            time: copy.time,
            id: copy.id,
            size: copy.size,
        });
        let applies = self.applies_of(name).await?.into_iter().map(StateMoment::of);
        let mut moments: Vec<StateMoment> = copies.chain(applies).collect();
        // What happened in one moment stays in order.
        moments.sort_by_key(StateMoment::time);
        let first = moments.len().saturating_sub(limit);
        Ok(StateHistory { stack: name.clone(), moments: moments.split_off(first) })
    }
}
