//! One change of a kind at a time, in one project and environment.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::cancel::CancelToken;
use crate::env::INFRA_RUN;
use crate::error::{Error, ErrorKind, Result};
use crate::infra::open::Infra;
use crate::infra::providers;
use crate::infra::runs_agent::GRACE;
use crate::ledger;
use crate::names::Label;
use crate::state::{self, Held, LockInfo, LockKey, Locks};

/// How long a lock lasts without its holder's sign of life.
const LENGTH: Duration = Duration::from_secs(60);

/// How long the next waits for work that takes moments.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often an attempt asks for a lock that another holds: a bucket counts every question.
const PAUSE: Duration = Duration::from_secs(1);

impl Infra {
    /// Takes the lock of `purpose`, or says who has it. It is kept where the state is: in a bucket, all machines share it.
    ///
    /// # Errors
    /// `Locked` naming the holder.
    pub(super) async fn lock(&self, purpose: &str, operation: &str) -> Result<Held> {
        self.lock_at(self.ports().locks.clone(), purpose, operation).await
    }

    /// The same for a deploy that an agent started. The attempt before it may have died with the lock, which then lasts longer
    /// than the agent's lease, or may still be ending on another machine: that is no failure of the repo, and waited for as
    /// long as an attempt may take to end.
    ///
    /// # Errors
    /// `Locked` naming the holder, who had it all the time; `Cancelled` when the host is.
    pub(super) async fn lock_in_turn(&self, purpose: &str, operation: &str) -> Result<Held> {
        if self.env().get(INFRA_RUN).is_none() {
            return self.lock(purpose, operation).await;
        }
        let (host, mut turn) = (self.host(), Turn::new());
        loop {
            match self.lock(purpose, operation).await {
                Err(error) if error.kind() == ErrorKind::Locked => {
                    if turn.is_first() {
                        host.tell(&format!("waiting for the deploy before this one to end: {error}"));
                    }
                    turn.wait(error, &host.cancel).await?;
                }
                taken => return taken,
            }
        }
    }

    /// The same for short work on files of this machine, which needs no account: waits for the holder before it gives up.
    ///
    /// # Errors
    /// `Locked` naming the holder, who had it all the time.
    pub(super) async fn patient_lock(&self, purpose: &str) -> Result<Held> {
        let begun = Instant::now();
        let locks = providers::own_locks(&self.home().locks());
        loop {
            match self.lock_at(locks.clone(), purpose, purpose).await {
                Err(error) if error.kind() == ErrorKind::Locked && begun.elapsed() < PATIENCE => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                taken => return taken,
            }
        }
    }

    async fn lock_at(&self, locks: Arc<dyn Locks>, purpose: &str, operation: &str) -> Result<Held> {
        let project = &self.settings().project;
        let key = LockKey {
            purpose: Label::new(purpose)?,
            owner: project.org.clone(),
            repo: project.name.clone(),
            env: self.environment().clone(),
        };
        let info = LockInfo::new(ledger::actor(self.env()), operation, LENGTH)?;
        state::hold(locks, key, info).await
    }
}

/// How long a lock was waited for, which is free once its holder ended, or was not heard of until it expired.
struct Turn {
    begun: Instant,
    said: bool,
}

impl Turn {
    fn new() -> Self {
        Turn { begun: Instant::now(), said: false }
    }

    /// Whether nobody was told yet; from now on somebody is.
    fn is_first(&mut self) -> bool {
        !std::mem::replace(&mut self.said, true)
    }

    /// Waits until it is worth to ask again.
    ///
    /// # Errors
    /// `locked` itself when it was waited for long enough; `Cancelled` when `cancel` is.
    async fn wait(&self, locked: Error, cancel: &CancelToken) -> Result<()> {
        if self.begun.elapsed() >= GRACE {
            return Err(locked);
        }
        tokio::select! {
            biased;
            () = cancel.cancelled() => {
                Err(Error::new(ErrorKind::Cancelled, "stopped while another deploy had the lock")
                    .hint("nothing was begun; run the same command again"))
            }
            () = tokio::time::sleep(PAUSE) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locked() -> Error {
        Error::new(ErrorKind::Locked, "`deploy/acme/shop/staging` is locked by eve")
    }

    #[tokio::test(start_paused = true)]
    async fn a_lock_is_waited_for_much_longer_than_a_dead_holder_has_it_and_said_once() {
        let (begun, mut turn) = (Instant::now(), Turn::new());
        assert!(turn.is_first() && !turn.is_first());
        let refused = loop {
            if let Err(error) = turn.wait(locked(), &CancelToken::new()).await {
                break error;
            }
        };
        assert!(refused.kind() == ErrorKind::Locked && refused.to_string().contains("eve"), "{refused:?}");
        assert!(begun.elapsed() >= GRACE && GRACE > LENGTH * 2, "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_lock_can_be_stopped() {
        let cancel = CancelToken::new();
        cancel.cancel();
        let stopped = Turn::new().wait(locked(), &cancel).await.unwrap_err();
        assert_eq!(stopped.kind(), ErrorKind::Cancelled);
    }
}
