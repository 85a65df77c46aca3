//! A lock held while work runs: renewed in the background, freed at the end.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result};
use crate::renewal;
use crate::state::{LockInfo, LockKey, Locks};
use crate::time::Timestamp;

/// A lock that this process holds. [`finish`](Held::finish) it; a process that dies instead
/// leaves a lock that ends by itself.
pub struct Held {
    locks: Arc<dyn Locks>,
    key: LockKey,
    info: LockInfo,
    lost: CancelToken,
    renewing: JoinHandle<()>,
    finished: bool,
}

/// Takes a lock and keeps it, renewing it each third of its length.
///
/// # Errors
/// `Locked` when another holds it; what the store fails with otherwise.
pub async fn hold(locks: Arc<dyn Locks>, key: LockKey, info: LockInfo) -> Result<Held> {
    let asked = Instant::now();
    let info = locks.lock(&key, &info).await?;
    let lost = CancelToken::new();
    let (id, length) = (info.id.clone(), info.length());
    let renewing = tokio::spawn(renew(locks.clone(), key.clone(), id, length, asked, lost.clone()));
    Ok(Held { locks, key, info, lost, renewing, finished: false })
}

async fn renew(
    locks: Arc<dyn Locks>,
    key: LockKey,
    id: String,
    length: Duration,
    asked: Instant,
    lost: CancelToken,
) {
    let once = || locks.renew(&key, &id, Timestamp::now().plus(length));
    let is_lost = |error: &Error| matches!(error.kind(), ErrorKind::Locked | ErrorKind::NotFound);
    renewal::until_lost(length, asked, once, is_lost).await;
    lost.cancel();
}

impl Held {
    /// What is locked.
    pub fn key(&self) -> &LockKey {
        &self.key
    }

    /// Who holds it: this process.
    pub fn info(&self) -> &LockInfo {
        &self.info
    }

    /// Cancelled when the lock could not be kept: stop then, another may have started.
    pub fn lost(&self) -> &CancelToken {
        &self.lost
    }

    /// Frees the lock.
    ///
    /// # Errors
    /// `Conflict` when it was lost before, so that another may have worked at the same time; what the store
    /// fails with otherwise.
    pub async fn finish(mut self) -> Result<()> {
        self.finished = true;
        self.renewing.abort();
        if self.locks.unlock(&self.key, &self.info.id).await? {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!("the lock `{}` was lost before the work ended", self.key),
        )
        .hint("check what another run did in the meantime, then run the same command again"))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.renewing.abort();
        if self.finished {
            return;
        }
        // Work that ends early frees its lock too, as far as there is still a runtime to do it on.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (locks, key, id) = (self.locks.clone(), self.key.clone(), self.info.id.clone());
            runtime.spawn(async move { locks.unlock(&key, &id).await });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;
    use crate::state::locked;

    #[derive(Default)]
    struct OneLock {
        held: Mutex<Option<LockInfo>>,
        renewed: tokio::sync::Notify,
    }

    #[async_trait]
    impl Locks for OneLock {
        async fn lock(&self, _: &LockKey, info: &LockInfo) -> Result<LockInfo> {
            *self.held.lock().unwrap() = Some(info.clone());
            Ok(info.clone())
        }
        async fn holder(&self, _: &LockKey) -> Result<Option<LockInfo>> {
            Ok(self.held.lock().unwrap().clone())
        }
        async fn renew(&self, key: &LockKey, id: &str, expires: Timestamp) -> Result<()> {
            let mut held = self.held.lock().unwrap();
            match held.as_mut() {
                Some(held) if held.id == id => held.expires = expires,
                Some(other) => return Err(locked(key, other)),
                None => return Err(Error::not_found("no lock")),
            }
            self.renewed.notify_one();
            Ok(())
        }
        async fn unlock(&self, _: &LockKey, id: &str) -> Result<bool> {
            Ok(self.held.lock().unwrap().take_if(|held| held.id == id).is_some())
        }
    }

    async fn held(locks: &Arc<OneLock>) -> Held {
        let key = LockKey {
            purpose: "deploy".parse().unwrap(),
            owner: "acme".parse().unwrap(),
            repo: "shop".parse().unwrap(),
            env: "local".parse().unwrap(),
        };
        let info = LockInfo::new("ada", "test", Duration::from_millis(30)).unwrap();
        hold(locks.clone(), key, info).await.unwrap()
    }

    #[tokio::test]
    async fn a_held_lock_is_renewed_until_it_is_finished() {
        let locks = Arc::new(OneLock::default());
        let held = held(&locks).await;
        locks.renewed.notified().await;
        assert!(locks.held.lock().unwrap().as_ref().unwrap().expires > held.info().expires);
        held.finish().await.unwrap();
        assert!(locks.held.lock().unwrap().is_none());
    }

    /// A store that takes a lock and never answers again.
    struct Silent;

    #[async_trait]
    impl Locks for Silent {
        async fn lock(&self, _: &LockKey, info: &LockInfo) -> Result<LockInfo> {
            Ok(info.clone())
        }
        async fn holder(&self, _: &LockKey) -> Result<Option<LockInfo>> {
            Ok(None)
        }
        async fn renew(&self, _: &LockKey, _: &str, _: Timestamp) -> Result<()> {
            std::future::pending().await
        }
        async fn unlock(&self, _: &LockKey, _: &str) -> Result<bool> {
            Ok(false)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lock_whose_store_is_silent_is_lost_before_others_may_take_it() {
        let key = LockKey {
            purpose: "deploy".parse().unwrap(),
            owner: "acme".parse().unwrap(),
            repo: "shop".parse().unwrap(),
            env: "local".parse().unwrap(),
        };
        let begun = Instant::now();
        let info = LockInfo::new("ada", "test", Duration::from_secs(60)).unwrap();
        let held = hold(Arc::new(Silent), key, info).await.unwrap();
        held.lost().cancelled().await;
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn a_lock_that_another_took_is_reported_and_left_alone() {
        let locks = Arc::new(OneLock::default());
        let held = held(&locks).await;
        let other = LockInfo::new("eve", "test", Duration::from_secs(9)).unwrap();
        *locks.held.lock().unwrap() = Some(other.clone());
        held.lost().cancelled().await;
        assert_eq!(held.finish().await.unwrap_err().kind(), ErrorKind::Conflict);
        assert_eq!(*locks.held.lock().unwrap(), Some(other));
    }

    #[tokio::test]
    async fn a_dropped_lock_is_freed() {
        let locks = Arc::new(OneLock::default());
        drop(held(&locks).await);
        while locks.held.lock().unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    }
}
