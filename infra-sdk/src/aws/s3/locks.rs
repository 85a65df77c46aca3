//! Deploy locks in a bucket, judged by the clock of the store.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::aws::s3::body::Object;
use crate::aws::s3::bucket::{Bucket, OURS};
use crate::error::{Error, ErrorKind, Result};
use crate::state::{LockInfo, LockKey, Locks, locked};
use crate::time::Timestamp;

/// How often a lock that changes under one's hands is looked at again.
const ROUNDS: usize = 10;

/// Stores tell times in whole seconds, of both ends of a span.
const GRAIN: Duration = Duration::from_secs(2);

/// Locks as one small JSON object each, below `.infra-sdk/locks/`.
///
/// A lock is taken with `If-None-Match: *`, moved and taken over with `If-Match` on the version that was seen, and freed
/// by a DELETE with `If-Match`. Whether it has expired is told by the store: by how long ago it was written, against how
/// long it was to last. So no clock of the machines around it matters, wherever it stands; two seconds are added, since
/// stores tell whole seconds. Of a holder only the length of its own minutes matters: one whose clock jumps, or that sleeps,
/// for longer than the lock lasts loses it, and is told so by its next renewal.
///
/// The process that holds a lock is no proof here that it is over: machines that were cloned while they ran, or brought back
/// from a snapshot, have the same boot id, so one of them would find the holder gone that is at work on the other.
///
/// Taking one is a request, renewing and freeing one are two each.
///
/// ```no_run
/// # async fn example() -> infra_sdk::Result<()> {
/// use std::{sync::Arc, time::Duration};
/// use infra_sdk::{Env, aws::{Aws, Bucket, S3Locks}, state::{LockInfo, LockKey, hold}};
/// let aws = Aws::connect(&Env::of_process()?, Some("eu-central-1"))?;
/// let locks = Arc::new(S3Locks::new(Bucket::on_s3(aws, "acme-terraform-state", None)?));
/// let key = LockKey { purpose: "deploy".parse()?, owner: "acme".parse()?, repo: "shop-api".parse()?, env: "staging".parse()? };
/// let held = hold(locks, key, LockInfo::new("ada", "deploy by hand", Duration::from_secs(60))?).await?;
/// held.finish().await
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct S3Locks {
    bucket: Bucket,
}

/// What lies in the object.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// When this was written, by the clock that `expires` is of.
    written: Timestamp,
    lock: LockInfo,
}

impl Kept {
    fn new(lock: LockInfo) -> Self {
        Kept { written: Timestamp::now(), lock }
    }

    /// Whether the next who asks may have it, `age` after it was written.
    fn is_free(&self, age: Duration) -> bool {
        let length = self.written.until(self.lock.expires);
        length.is_zero() || age >= length.saturating_add(GRAIN)
    }

    fn json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| Error::new(ErrorKind::Bug, "write a lock").because(error))
    }
}

impl S3Locks {
    /// The locks of a bucket.
    pub fn new(bucket: Bucket) -> Self {
        S3Locks { bucket }
    }

    fn object(key: &LockKey) -> String {
        format!("{OURS}/locks/{key}.json")
    }

    async fn look(&self, key: &LockKey) -> Result<Option<(Kept, Object)>> {
        let Some(object) = self.bucket.get(&Self::object(key)).await? else { return Ok(None) };
        match serde_json::from_slice(&object.bytes) {
            Ok(kept) => Ok(Some((kept, object))),
            Err(error) => Err(Error::invalid(format!("the lock `{key}` can not be read"))
                .with("object", self.bucket.place(&Self::object(key)))
                .because(error)
                .hint("if no run is at work for certain, delete that object")),
        }
    }

    fn restless(key: &LockKey) -> Error {
        Error::new(ErrorKind::Conflict, format!("the lock `{key}` changes hands all the time"))
            .hint("try again in a moment")
            .retryable()
    }
}

#[async_trait]
impl Locks for S3Locks {
    async fn lock(&self, key: &LockKey, info: &LockInfo) -> Result<LockInfo> {
        let object = Self::object(key);
        for _ in 0..ROUNDS {
            if self.bucket.put_if_absent(&object, &Kept::new(info.clone()).json()?).await? {
                return Ok(info.clone());
            }
            let Some((kept, seen)) = self.look(key).await? else { continue };
            if kept.lock.id != info.id && !kept.is_free(seen.age) {
                return Err(locked(key, &kept.lock));
            }
            if self.bucket.put_if_match(&object, &seen.etag, &Kept::new(info.clone()).json()?).await? {
                return Ok(info.clone());
            }
        }
        Err(Self::restless(key))
    }

    async fn holder(&self, key: &LockKey) -> Result<Option<LockInfo>> {
        let held = self.look(key).await?.filter(|(kept, seen)| !kept.is_free(seen.age));
        Ok(held.map(|(kept, _)| kept.lock))
    }

    async fn renew(&self, key: &LockKey, id: &str, expires: Timestamp) -> Result<()> {
        for _ in 0..ROUNDS {
            match self.look(key).await? {
                Some((kept, seen)) if kept.lock.id == id => {
                    let longer = Kept::new(LockInfo { expires, ..kept.lock }).json()?;
                    if self.bucket.put_if_match(&Self::object(key), &seen.etag, &longer).await? {
                        return Ok(());
                    }
                }
                Some((kept, seen)) if !kept.is_free(seen.age) => return Err(locked(key, &kept.lock)),
                _ => {
                    return Err(Error::not_found(format!("nobody holds the lock `{key}`"))
                        .hint("take the lock again before going on"));
                }
            }
        }
        Err(Self::restless(key))
    }

    async fn unlock(&self, key: &LockKey, id: &str) -> Result<bool> {
        for _ in 0..ROUNDS {
            let held = self.look(key).await?.filter(|(kept, _)| kept.lock.id == id);
            let Some((_, seen)) = held else { return Ok(false) };
            if self.bucket.delete_if_match(&Self::object(key), &seen.etag).await? {
                return Ok(true);
            }
        }
        Err(Self::restless(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_judged_by_how_long_it_lies_there_and_not_by_any_clock() {
        let mut lock = LockInfo::new("ada", "deploy", Duration::from_secs(60)).unwrap();
        // Written by a machine whose clock is a day behind.
        let back = |time: Timestamp| Timestamp::from(time.system_time() - Duration::from_secs(86_400));
        lock.expires = back(lock.expires);
        let kept = Kept { written: back(Timestamp::now()), lock: lock.clone() };
        assert!(lock.is_free(), "by the clock of this machine it would be over");
        assert!(!kept.is_free(Duration::from_secs(50)));
        assert!(!kept.is_free(Duration::from_secs(61)), "within the grain of the store's times");
        assert!(kept.is_free(Duration::from_secs(63)));
        let given_up = Kept { written: Timestamp::now(), lock };
        assert!(given_up.is_free(Duration::ZERO), "an end in the past is one at once");
    }
}
