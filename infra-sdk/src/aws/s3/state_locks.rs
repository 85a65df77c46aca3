//! Terraform's locks in a bucket: objects whose names end in `.tflock`.

use async_trait::async_trait;

use crate::aws::s3::state::S3State;
use crate::error::{Error, ErrorKind, Result};
use crate::state::{LockRequest, SeenLock, StateKey, StateLocks, TfLock};

/// How often a lock that changes under one's hands is looked at again.
const ROUNDS: usize = 10;

impl S3State {
    fn lock_at(&self, key: &StateKey) -> Result<String> {
        Ok(format!("{}.tflock", self.keys.path(key)?))
    }

    fn restless(key: &StateKey) -> Error {
        Error::new(ErrorKind::Conflict, "the lock of a state changes hands all the time")
            .with("state", key)
            .hint("try again in a moment")
            .retryable()
    }
}

#[async_trait]
impl StateLocks for S3State {
    async fn lock_state(&self, key: &StateKey, request: &LockRequest) -> Result<TfLock> {
        let object = self.lock_at(key)?;
        // As Terraform writes it: bucket and key.
        let lock = TfLock::new(request, format!("{}/{}", self.bucket.name(), self.keys.path(key)?))?;
        let json = serde_json::to_vec(&lock)
            .map_err(|error| Error::new(ErrorKind::Bug, "write a lock").because(error))?;
        for _ in 0..ROUNDS {
            if self.bucket.put_if_absent(&object, &json).await? {
                return Ok(lock);
            }
            let Some(seen) = self.state_lock(key).await? else { continue };
            if !seen.has_expired() {
                return Err(seen.error(key));
            }
            if self.bucket.put_if_match(&object, &seen.version, &json).await? {
                return Ok(lock);
            }
        }
        Err(Self::restless(key))
    }

    async fn state_lock(&self, key: &StateKey) -> Result<Option<SeenLock>> {
        let object = self.bucket.get(&self.lock_at(key)?).await?;
        Ok(object.map(|object| SeenLock {
            lock: TfLock::parse(&object.bytes),
            version: object.etag,
            age: object.age,
        }))
    }

    async fn unlock_state(&self, key: &StateKey, seen: &SeenLock) -> Result<()> {
        if self.bucket.delete_if_match(&self.lock_at(key)?, &seen.version).await? {
            return Ok(());
        }
        // It was freed by its holder, or another has it by now: that one is left alone.
        match self.state_lock(key).await? {
            None => Ok(()),
            Some(other) => {
                let error = Error::new(
                    ErrorKind::Conflict,
                    "another has taken the lock in the meantime, and keeps it",
                );
                let error = error.with("state", key);
                let Some(lock) = other.lock else {
                    return Err(error.hint("look at it again before you remove it"));
                };
                Err(error
                    .with("holder", lock.who.escape_debug())
                    .with("since", lock.created.escape_debug())
                    .with("operation", lock.operation.escape_debug())
                    .with("lock", lock.id.escape_debug())
                    .hint("wait until that run is done"))
            }
        }
    }
}
