//! Named locks: one deploy of one project into one environment at a time.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::names::{EnvName, Label, OrgName, RepoName};
use crate::state::ProcessMark;
use crate::time::{Timestamp, human};

/// Keeps exclusive locks that end by themselves.
///
/// # Contract
/// - Of several that ask for one key at once, exactly one gets it; the others get the error of [`locked`],
///   which names the holder. Different keys do not touch each other.
/// - Asking again with the id that holds the lock gives it again, with the new times.
/// - A lock past its expiry is free: the next who asks gets it, and `holder` is `None`.
/// - A lock whose holder is [proved to be gone](LockInfo::is_free) may be given at once, by a store that only one machine sees.
/// - `renew` moves the expiry of the lock this id holds, also when it just expired and nobody took it; it is
///   `Locked` when another holds it and `NotFound` when nobody does.
/// - `unlock` frees the lock if this id holds it and says whether it did; another's lock is never touched.
#[async_trait]
pub trait Locks: Send + Sync {
    /// Takes the lock, and gives back what is now kept.
    ///
    /// # Errors
    /// `Locked` when another holds it; `Unavailable`, `Denied` or `Io`.
    async fn lock(&self, key: &LockKey, info: &LockInfo) -> Result<LockInfo>;

    /// Who holds the lock now.
    ///
    /// # Errors
    /// `Unavailable`, `Denied` or `Io`.
    async fn holder(&self, key: &LockKey) -> Result<Option<LockInfo>>;

    /// Keeps the lock until `expires`.
    ///
    /// # Errors
    /// `Locked` when another holds it, `NotFound` when nobody does; `Unavailable`, `Denied` or `Io`.
    async fn renew(&self, key: &LockKey, id: &str, expires: Timestamp) -> Result<()>;

    /// Frees the lock if `id` holds it.
    ///
    /// # Errors
    /// `Unavailable`, `Denied` or `Io`.
    async fn unlock(&self, key: &LockKey, id: &str) -> Result<bool>;
}

/// What is locked: a purpose for one repository in one environment, `deploy/acme/shop-api/staging`.
///
/// Never the key of Terraform's own state lock: holding that would keep Terraform itself out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LockKey {
    /// What the lock is for.
    pub purpose: Label,
    /// The organisation that owns the repository.
    pub owner: OrgName,
    /// The repository.
    pub repo: RepoName,
    /// The environment.
    pub env: EnvName,
}

impl fmt::Display for LockKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}/{}/{}", self.purpose, self.owner, self.repo, self.env))
    }
}

/// Who holds a lock, why, and for how long.
///
/// ```
/// use std::time::Duration;
/// use infra_sdk::state::LockInfo;
/// let info = LockInfo::new("ada@laptop", "infra:deploy", Duration::from_secs(60))?;
/// assert!(!info.is_free());
/// # Ok::<(), infra_sdk::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockInfo {
    /// Unique to this holding of the lock.
    pub id: String,
    /// The person or machine.
    pub who: String,
    /// What they are doing.
    pub operation: String,
    /// Since when.
    pub created: Timestamp,
    /// Until when, unless renewed.
    pub expires: Timestamp,
    /// The process that holds it, where the system tells; a proof on its own machine only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessMark>,
}

impl LockInfo {
    /// A lock for this process from now on, for `length`, with an id of its own.
    ///
    /// # Errors
    /// `Unavailable` when the system gives no randomness for the id.
    pub fn new(who: impl Into<String>, operation: impl Into<String>, length: Duration) -> Result<Self> {
        let created = Timestamp::now();
        Ok(LockInfo {
            id: crate::id::unique()?,
            who: who.into(),
            operation: operation.into(),
            created,
            expires: created.plus(length),
            process: ProcessMark::of_this_process(),
        })
    }

    /// How long the lock lasts unless renewed.
    pub fn length(&self) -> Duration {
        self.created.until(self.expires)
    }

    /// Whether the next who asks may have the lock: it expired, or the process that held it is proved to be gone.
    pub fn is_free(&self) -> bool {
        self.expires <= Timestamp::now() || self.process.as_ref().is_some_and(ProcessMark::is_gone)
    }
}

/// The error of a lock that another holds: who, since when, until when, and how to go on.
pub fn locked(key: &LockKey, holder: &LockInfo) -> Error {
    let free = Timestamp::now().until(holder.expires);
    Error::new(ErrorKind::Locked, format!("`{key}` is locked by {}", holder.who.escape_debug()))
        .with("operation", holder.operation.escape_debug())
        .with("since", holder.created)
        .with("until", holder.expires)
        .hint(format!(
            "wait for it to end and run the same command again; if that run is gone, its lock ends by itself in {}",
            human(free)
        ))
        .retryable()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_a_held_lock_says_who_since_until_and_how_to_go_on() {
        let key = LockKey {
            purpose: "deploy".parse().unwrap(),
            owner: "acme".parse().unwrap(),
            repo: "shop".parse().unwrap(),
            env: EnvName::local(),
        };
        let holder = LockInfo::new("ada\n", "infra:deploy", Duration::from_secs(300)).unwrap();
        let error = locked(&key, &holder);
        let text = error.report().to_string();
        for part in ["`deploy/acme/shop/local` is locked by ada\\n", "infra:deploy", "ends by itself in"] {
            assert!(text.contains(part), "{part} is not in: {text}");
        }
        assert!(text.contains(&holder.created.to_string()) && text.contains(&holder.expires.to_string()));
        assert_eq!(error.kind(), ErrorKind::Locked);
    }

    #[test]
    fn a_lock_is_free_once_it_expired() {
        let mut info = LockInfo::new("ada", "x", Duration::from_secs(300)).unwrap();
        assert!(!info.is_free());
        info.expires = Timestamp::now();
        assert!(info.is_free());
    }
}
