//! Before a stack is planned or applied: is its state the one that was left there? On another one, Terraform would make a
//! second of everything.

use crate::error::{Error, ErrorKind, Result};
use crate::infra::open::Infra;
use crate::infra::state_lock::Unlock;
use crate::ledger::{self, Entry, Filter};
use crate::names::Label;
use crate::state::left::{Astray, astray, history, is_blank, is_whole};
use crate::state::{SeenLock, Snapshot, StateKey};

/// What the ledger calls an apply, and what puts a copy back or takes a state as it is.
const CHANGES: [&str; 2] = ["apply", RESTORE];

/// As above.
pub(super) const RESTORE: &str = "state.restore";

/// How many copies are looked at for one that is whole.
const LOOKED_AT: usize = 10;

impl Infra {
    /// Refuses a state that is gone, damaged, older than its newest copy or of another history, unless somebody said that it
    /// is right as it is.
    ///
    /// # Errors
    /// `Conflict` or `Invalid`, saying how to bring it back; what reading it fails with.
    pub(super) async fn require_left(&self, stack: &Label) -> Result<()> {
        let key = self.state_key(stack);
        let present = self.ports().state.read(&key).await?;
        let copy = self.newest_whole_copy(&key).await?;
        let found = astray(present.as_deref(), copy.as_ref().map(|(_, bytes)| &bytes[..]));
        let nothing_yet = || copy.is_none() && present.as_deref().is_none_or(is_blank);
        let astray = match found {
            Some(astray) => astray,
            // Its copies may be gone with it; the ledger lies elsewhere.
            None if nothing_yet() && self.was_left(stack).await? => Astray::Gone,
            None => return Ok(()),
        };
        if !matches!(astray, Astray::Damaged(_)) && self.was_accepted(stack, present.as_deref()).await? {
            return Ok(());
        }
        Err(self.told_astray(stack, astray, copy.map(|(copy, _)| copy).as_ref()))
    }

    /// Removes a lock of ours that is past its time: Terraform knows no such thing, and would wait for it in vain.
    ///
    /// # Errors
    /// What reading or removing it fails with.
    pub(super) async fn free_what_expired(&self, stack: &Label) -> Result<()> {
        let Some(seen) = self.state_lock(stack.as_str()).await?.filter(SeenLock::has_expired) else {
            return Ok(());
        };
        // As by hand, so that it stands in the ledger.
        self.unlock_state(self.plan_unlock(stack.as_str(), &Unlock::default()).await?).await?;
        let who = seen.lock.map(|lock| lock.who.escape_debug().to_string()).unwrap_or_default();
        self.host().tell(&format!("{stack}: removed the lock of {who}, which was past its time"));
        Ok(())
    }

    /// The newest copy of a state that is whole, with its bytes.
    pub(super) async fn newest_whole_copy(&self, key: &StateKey) -> Result<Option<(Snapshot, Vec<u8>)>> {
        for copy in self.ports().state.snapshots(key).await?.into_iter().rev().take(LOOKED_AT) {
            let bytes = self.ports().state.read_snapshot(key, &copy.id).await?;
            if let Some(bytes) = bytes.filter(|bytes| is_whole(bytes)) {
                return Ok(Some((copy, bytes)));
            }
        }
        Ok(None)
    }

    /// Whether the ledger knows that a state was left there.
    async fn was_left(&self, stack: &Label) -> Result<bool> {
        let last = self.last_change(stack).await?;
        Ok(last.is_some_and(|entry| entry.details.contains_key("serial")))
    }

    /// Whether the last that happened to the state is that somebody said that this one is right, or what it has become since.
    async fn was_accepted(&self, stack: &Label, present: Option<&[u8]>) -> Result<bool> {
        let Some(entry) = self.last_change(stack).await?.filter(|entry| entry.action == RESTORE) else {
            return Ok(false);
        };
        let detail = |name: &str| entry.details.get(name);
        Ok(match history(present) {
            None => detail("serial").is_none(),
            Some((serial, lineage)) => {
                let accepted = detail("serial").and_then(|serial| serial.parse::<u64>().ok());
                detail("lineage") == Some(&lineage) && accepted.is_some_and(|accepted| accepted <= serial)
            }
        })
    }

    async fn last_change(&self, stack: &Label) -> Result<Option<Entry>> {
        let filter = Filter {
            env: Some(self.environment().clone()),
            project: Some(self.settings().project.name.clone()),
            action: None,
        };
        let all = ledger::history(&*self.ports().ledger, &filter, usize::MAX).await?.entries;
        let of_stack = |entry: &Entry| {
            entry.subject == stack.as_str() && CHANGES.contains(&entry.action.as_str())
                // What failed before anything was begun changed nothing.
                && (entry.action == RESTORE || entry.details.contains_key("serial"))
        };
        Ok(all.into_iter().rfind(of_stack))
    }

    fn told_astray(&self, stack: &Label, astray: Astray, copy: Option<&Snapshot>) -> Error {
        let command = format!("cargo xtask infra:state:restore {stack} --env {}", self.environment());
        let (error, on_purpose) = match astray {
            Astray::Gone => (
                Error::new(
                    ErrorKind::Conflict,
                    "the state of a stack is gone, so that all of it would be made again",
                ),
                "if it was removed on purpose",
            ),
            Astray::Damaged(error) => (Error::invalid("the state of a stack is damaged").because(error), ""),
            Astray::Other => (
                Error::new(ErrorKind::Conflict, "another state lies where that of a stack was"),
                "if it is the right one, such as one that was imported anew",
            ),
            Astray::Older => (
                Error::new(ErrorKind::Conflict, "the state of a stack is older than its newest copy"),
                "if it was put there on purpose",
            ),
        };
        let error = error.with("stack", stack);
        let error = match copy {
            Some(copy) => error
                .with("newest-copy", &copy.id)
                .hint(format!("`{command}` puts the newest copy back; `--copy ID` takes another of `infra:state:history`")),
            None => error.hint(
                "no copy of it is kept: bring it back from where it is, such as an older version of the object in the bucket",
            ),
        };
        if on_purpose.is_empty() {
            return error;
        }
        error.hint(format!("{on_purpose}: `{command} --as-it-is`"))
    }
}
