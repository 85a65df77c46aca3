//! Taking and breaking Terraform's own lock of a stack's state.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::env::{GITHUB_REPOSITORY, GITHUB_RUN_ID};
use crate::error::{Error, ErrorKind, Result};
use crate::infra::open::Infra;
use crate::ledger::{self, Outcome};
use crate::runs::env_flag;
use crate::state::{LockRequest, SeenLock, StateKey, TfLock};

/// The longest a lock of ours may be meant for: what is needed for longer belongs into a rule.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// Which lock is to be broken, and by what right.
#[derive(Clone, Debug, Default)]
pub struct Unlock {
    /// The id of the lock that is meant.
    pub id: Option<String>,
    /// That its run is over, by the word of whoever asks.
    pub force: bool,
}

/// A lock that may be removed, as it was seen.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedUnlock {
    /// The state.
    pub state: StateKey,
    /// What the lock says; `None` when there is none, or none that can be read.
    pub lock: Option<TfLock>,
    #[serde(skip)]
    seen: Option<SeenLock>,
}

impl fmt::Display for PlannedUnlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.seen, &self.lock) {
            (None, _) => write!(f, "{} is not locked", self.state),
            (Some(_), None) => {
                write!(f, "removes the lock of {}, which does not say whose it is", self.state)
            }
            (Some(_), Some(lock)) => write!(f, "removes the lock of {}: {}", self.state, told(lock)),
        }
    }
}

/// A lock that was removed.
#[derive(Clone, Debug, Serialize)]
pub struct Freed {
    /// The state.
    pub state: StateKey,
    /// Whether there was a lock.
    pub was_locked: bool,
    /// What it said.
    pub lock: Option<TfLock>,
}

impl fmt::Display for Freed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.lock, self.was_locked) {
            (_, false) => write!(f, "{} is not locked", self.state),
            (None, true) => write!(f, "{} is free; its lock did not say whose it was", self.state),
            (Some(lock), true) => write!(f, "{} is free; it was locked by {}", self.state, told(lock)),
        }
    }
}

/// A lock that was taken.
#[derive(Clone, Debug, Serialize)]
pub struct LockedState {
    /// The state.
    pub state: StateKey,
    /// What Terraform shows of it to whoever else wants the state.
    pub lock: TfLock,
}

impl fmt::Display for LockedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stack, id) = (&self.state.stack, &self.lock.id);
        let force = if self.lock.who == ledger::UNKNOWN { " --force" } else { "" };
        let env = env_flag(&self.state.env);
        writeln!(f, "{} is locked by {}", self.state, told(&self.lock))?;
        write!(f, "free it with `cargo xtask infra:state:unlock {stack} --id {id}{force}{env}`")
    }
}

fn told(lock: &TfLock) -> String {
    let shown = |text: &str| text.escape_debug().to_string();
    let info = if lock.info.is_empty() { String::new() } else { format!(" ({})", shown(&lock.info)) };
    format!("{} since {} for {}{info}", shown(&lock.who), shown(&lock.created), shown(&lock.operation))
}

impl Infra {
    /// Locks the state of a stack, for Terraform too, until it is unlocked: to move resources by hand, for example. The
    /// lock says until when it is meant; past that, anyone may remove it.
    ///
    /// # Errors
    /// `Locked` naming the holder; `Invalid` for a time of zero or above 30 days, and where a lock ends with the process
    /// that holds it; `NotFound` when there is no such stack.
    pub async fn lock_state(&self, stack: &str, length: Duration, why: &str) -> Result<LockedState> {
        if length.is_zero() || length > LONGEST {
            return Err(Error::invalid("a state is locked for some time, up to 30 days")
                .hint("say for how long, such as `--for 2h`"));
        }
        let state = self.state_key(self.stack_named(stack)?.0);
        let request =
            LockRequest { who: ledger::actor(self.env()), run: self.run_id(), why: why.into(), length };
        let lock = self.ports().state_locks.lock_state(&state, &request).await?;
        let details = [("lock", lock.id.clone()), ("why", why.to_owned())];
        self.record("state.lock", stack, Outcome::Done, &details).await?;
        Ok(LockedState { state, lock })
    }

    /// The lock of a stack's state, if there is one.
    ///
    /// # Errors
    /// `NotFound` when there is no such stack; `Unavailable` or `Denied`.
    pub async fn state_lock(&self, stack: &str) -> Result<Option<SeenLock>> {
        let state = self.state_key(self.stack_named(stack)?.0);
        self.ports().state_locks.state_lock(&state).await
    }

    /// Whether the lock of a stack's state may be removed: when it is past its time, when it is one's own and named by
    /// its id, or when somebody says that its run is over and names it by its id. Changes nothing.
    ///
    /// # Errors
    /// `Locked` naming the holder when nothing proves that its run is over; `Conflict` when another lock lies there than
    /// the one that was named; `Invalid` when a lock is to be broken that is not named.
    pub async fn plan_unlock(&self, stack: &str, unlock: &Unlock) -> Result<PlannedUnlock> {
        let state = self.state_key(self.stack_named(stack)?.0);
        let seen = self.ports().state_locks.state_lock(&state).await?;
        if let Some(seen) = &seen {
            self.may_unlock(&state, seen, unlock)?;
        }
        let lock = seen.as_ref().and_then(|seen| seen.lock.clone());
        Ok(PlannedUnlock { state, lock, seen })
    }

    fn may_unlock(&self, state: &StateKey, seen: &SeenLock, unlock: &Unlock) -> Result<()> {
        if let (Some(wanted), found) = (&unlock.id, seen.id())
            && found != Some(wanted)
        {
            let error = seen.error(state).to_string();
            return Err(Error::new(
                ErrorKind::Conflict,
                "another lock lies there than the one that was named",
            )
            .with("named", crate::names::quoted(wanted))
            .because(error)
            .hint("look again who holds the state; the run that was meant is over"));
        }
        // By the same person outside of a workflow, or in the same run of one. Who has no name may be anybody.
        let own = |lock: &TfLock| {
            lock.length().is_some()
                && lock.who == ledger::actor(self.env())
                && lock.who != ledger::UNKNOWN
                && lock.run() == self.run_id().as_deref()
        };
        if seen.has_expired() || (unlock.id.is_some() && seen.lock.as_ref().is_some_and(own)) {
            return Ok(());
        }
        match (unlock.force, &unlock.id, &seen.lock) {
            // One that cannot be read has no id to name.
            (true, Some(_), _) | (true, None, None) => Ok(()),
            (true, None, Some(lock)) => {
                Err(Error::invalid("a lock is broken by its id, so that no other one is hit")
                    .with("state", state)
                    .with("holder", lock.who.escape_debug())
                    .hint(format!(
                        "if that run is over for certain: `cargo xtask infra:state:unlock {} --id {} --force --yes=infra:state:unlock`",
                        state.stack,
                        lock.id_to_type().unwrap_or_else(|| "ID".into())
                    )))
            }
            (false, ..) => Err(seen.error(state)),
        }
    }

    /// Removes the lock that was seen, and no other.
    ///
    /// # Errors
    /// `Conflict` naming the holder when another has it by now; `Unavailable` or `Denied`.
    pub async fn unlock_state(&self, planned: PlannedUnlock) -> Result<Freed> {
        let PlannedUnlock { state, lock, seen } = planned;
        if let Some(seen) = &seen {
            self.ports().state_locks.unlock_state(&state, seen).await?;
            let of =
                |text: fn(&TfLock) -> &String| lock.as_ref().map_or("unknown", |lock| text(lock)).to_owned();
            let details = [("lock", of(|lock| &lock.id)), ("holder", of(|lock| &lock.who))];
            self.record("state.unlock", state.stack.as_str(), Outcome::Done, &details).await?;
        }
        Ok(Freed { state, was_locked: seen.is_some(), lock })
    }

    /// Where a person finds the run that this is, in a workflow.
    fn run_id(&self) -> Option<String> {
        let (repository, id) = (self.env().get(GITHUB_REPOSITORY)?, self.env().get(GITHUB_RUN_ID)?);
        Some(format!("{repository}/actions/runs/{id}"))
    }
}
