//! Putting a kept copy back as the state of a stack that was lost or damaged; nothing of what it describes is touched.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::infra::open::Infra;
use crate::infra::state_left::RESTORE;
use crate::ledger::{self, Outcome};
use crate::names::Label;
use crate::state::left::{is_blank, is_whole};
use crate::state::{LockRequest, ShownState, SnapshotId, StateDocument, StateKey};

/// For how long the state is locked at most; it takes a moment.
const LENGTH: Duration = Duration::from_secs(600);

/// What stands in the ledger where no copy was put back.
const AS_IT_IS: &str = "as it is";

/// What is to be the state of a stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RestoreTo {
    /// The newest copy that is whole.
    #[default]
    Newest,
    /// This copy.
    Copy(SnapshotId),
    /// What lies there, or nothing: it is right, whatever was left there.
    AsItIs,
}

/// What restoring a state would do.
#[derive(Debug, Serialize)]
pub struct PlannedStateRestore {
    /// The stack.
    pub stack: Label,
    /// The copy that is put back; `None` where the state stays as it is.
    pub copy: Option<SnapshotId>,
    /// What is in the state then, by names; `None` for no state.
    pub becomes: Option<ShownState>,
    /// Whether something lies there now. It is kept as a copy before.
    pub replaces: bool,
    #[serde(skip)]
    key: StateKey,
    #[serde(skip)]
    seen: Option<Vec<u8>>,
    #[serde(skip)]
    content: Option<Vec<u8>>,
}

impl fmt::Display for PlannedStateRestore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PlannedStateRestore { key, copy, becomes, .. } = self;
        match (copy, becomes) {
            (Some(copy), Some(state)) => write!(f, "{key} becomes copy {copy}: {state}")?,
            (_, Some(state)) => write!(f, "{key} is right as it is: {state}")?,
            (_, None) => write!(f, "{key} is right as it is: there is none, and all is made anew")?,
        }
        if self.copy.is_some() && self.replaces {
            f.write_str("\nwhat lies there now is kept as a copy")?;
        }
        Ok(())
    }
}

/// What was restored.
#[derive(Clone, Debug, Serialize)]
pub struct RestoredState {
    /// The state.
    pub state: StateKey,
    /// The copy that was put back; `None` where the state stays as it is.
    pub copy: Option<SnapshotId>,
}

impl fmt::Display for RestoredState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.copy {
            Some(copy) => write!(f, "{} is copy {copy} again", self.state)?,
            None => write!(f, "{} is taken as it is", self.state)?,
        }
        f.write_str("\nlook at what applying would do now: `cargo xtask infra:plan`")
    }
}

impl Infra {
    /// What putting a copy back as the state of a stack would do. Changes nothing.
    ///
    /// # Errors
    /// `NotFound` when there is no such stack or copy; `Invalid` for a copy that is damaged itself, and for a damaged
    /// state that is to stay as it is.
    pub async fn plan_state_restore(&self, stack: &str, to: &RestoreTo) -> Result<PlannedStateRestore> {
        let (name, _) = self.stack_named(stack)?;
        let key = self.state_key(name);
        let seen = self.ports().state.read(&key).await?;
        let (copy, content) = match to {
            RestoreTo::AsItIs => (None, None),
            RestoreTo::Copy(id) => {
                let bytes = self.ports().state.read_snapshot(&key, id).await?;
                (Some(id.clone()), Some(bytes.ok_or_else(|| self.no_copy(id))?))
            }
            RestoreTo::Newest => {
                let (copy, bytes) = self.newest_whole_copy(&key).await?.ok_or_else(|| {
                    Error::not_found("no whole copy of this state is kept")
                        .with("stack", name)
                        .hint("look for an older version of the object in the bucket")
                })?;
                (Some(copy.id), Some(bytes))
            }
        };
        let becomes = content.as_deref().or(seen.as_deref()).filter(|bytes| !is_blank(bytes));
        if becomes.is_some_and(|bytes| !is_whole(bytes)) {
            return Err(Error::invalid("that is no whole state")
                .with("stack", name)
                .hint("choose a copy that is whole with `--copy`; `cargo xtask infra:state:history STACK` shows them"));
        }
        let becomes =
            becomes.map(|bytes| StateDocument::parse(bytes).map(|state| state.shown())).transpose()?;
        let replaces = seen.as_deref().is_some_and(|bytes| !is_blank(bytes));
        Ok(PlannedStateRestore { stack: name.clone(), copy, becomes, replaces, key, seen, content })
    }

    /// Restores as planned, under Terraform's own lock where one can be kept; recorded.
    ///
    /// # Errors
    /// `Locked` naming who works on the stack; `Conflict` when the state was changed since the plan was made.
    pub async fn restore_state(&self, planned: PlannedStateRestore) -> Result<RestoredState> {
        let PlannedStateRestore { stack, copy, becomes, key, seen, content, .. } = planned;
        self.before_change().await?;
        if let Some(content) = &content {
            let put_back = self.alone_with(&key, || self.put_back(&key, seen.as_deref(), content));
            put_back.await?;
        }
        let put = copy.as_ref().map_or(AS_IT_IS, SnapshotId::as_str).to_owned();
        let mut details = vec![("copy", put)];
        // What was said to be right, and nothing else that may come to lie there.
        if let Some(state) = becomes {
            details.extend([("serial", state.serial.to_string()), ("lineage", state.lineage)]);
        }
        self.record(RESTORE, stack.as_str(), Outcome::Done, &details).await?;
        Ok(RestoredState { state: key, copy })
    }

    async fn put_back(&self, key: &StateKey, seen: Option<&[u8]>, content: &[u8]) -> Result<()> {
        self.ports().state.snapshot(key).await?;
        if self.ports().state.replace(key, seen, content).await? {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Conflict, "the state was changed at the same time")
            .with("state", key)
            .hint("look at it again with `cargo xtask infra:state:show`, then run the same command again"))
    }

    /// Does something while nobody else, Terraform among them, changes a state.
    async fn alone_with<F: Future<Output = Result<()>>>(
        &self,
        key: &StateKey,
        work: impl FnOnce() -> F,
    ) -> Result<()> {
        let locks = &self.ports().state_locks;
        let why = "puts a copy back".into();
        let request = LockRequest { who: ledger::actor(self.env()), run: None, why, length: LENGTH };
        let lock = match locks.lock_state(key, &request).await {
            Ok(lock) => lock,
            // On one machine a lock lasts as long as the process that holds it: there is only to see whether one does.
            Err(error) if error.kind() == ErrorKind::Invalid => {
                return match locks.state_lock(key).await? {
                    Some(seen) => Err(seen.error(key)),
                    None => work().await,
                };
            }
            Err(error) => return Err(error),
        };
        let done = work().await;
        let freed = match locks.state_lock(key).await {
            Ok(Some(seen)) if seen.id() == Some(&lock.id) => locks.unlock_state(key, &seen).await,
            seen => seen.map(drop),
        };
        done.and(freed)
    }
}
