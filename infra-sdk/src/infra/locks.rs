//! One change of a kind at a time, in one project and environment.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{ErrorKind, Result};
use crate::infra::open::Infra;
use crate::infra::providers;
use crate::ledger;
use crate::names::Label;
use crate::state::{self, Held, LockInfo, LockKey, Locks};

/// How long a lock lasts without its holder's sign of life.
const LENGTH: Duration = Duration::from_secs(60);

/// How long the next waits for work that takes moments.
const PATIENCE: Duration = Duration::from_secs(20);

impl Infra {
    /// Takes the lock of `purpose`, or says who has it. It is kept where the state is: in a bucket, all machines share it.
    ///
    /// # Errors
    /// `Locked` naming the holder.
    pub(super) async fn lock(&self, purpose: &str, operation: &str) -> Result<Held> {
        self.lock_at(self.ports().locks.clone(), purpose, operation).await
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
