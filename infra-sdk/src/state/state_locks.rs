//! The port to the locks that Terraform itself takes on a state.

use async_trait::async_trait;

use crate::error::Result;
use crate::state::{LockRequest, SeenLock, StateKey, TfLock};

/// Terraform's own locks: honoured by Terraform, and readable here. Not for a deploy of ours: a holder of this lock
/// keeps Terraform itself out, see [`Locks`](crate::state::Locks).
///
/// # Contract
/// - Of several that ask for one state at once, Terraform among them, exactly one gets the lock; the others get the
///   error of [`SeenLock::error`]. One of ours that [has expired](SeenLock::has_expired) is taken over.
/// - `state_lock` tells of a lock whoever took it, also of one that cannot be read.
/// - `unlock_state` removes exactly the lock that was seen, and never another one that took its place.
#[async_trait]
pub trait StateLocks: Send + Sync {
    /// Takes the lock of a state.
    ///
    /// # Errors
    /// `Locked` when another holds it; `Invalid` where a lock ends with the process that holds it; `Unavailable` or
    /// `Denied`.
    async fn lock_state(&self, key: &StateKey, request: &LockRequest) -> Result<TfLock>;

    /// The lock of a state, if there is one.
    ///
    /// # Errors
    /// `Unavailable`, `Denied` or `Io`.
    async fn state_lock(&self, key: &StateKey) -> Result<Option<SeenLock>>;

    /// Removes the lock that was seen.
    ///
    /// # Errors
    /// `Conflict` naming the holder when another lock has taken its place; `Invalid` where a lock ends with the process
    /// that holds it; `Unavailable` or `Denied`.
    async fn unlock_state(&self, key: &StateKey, seen: &SeenLock) -> Result<()>;
}
