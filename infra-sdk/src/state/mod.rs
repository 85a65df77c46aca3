//! Terraform state: where it is kept, copies of it, and the lock that lets one deploy run at a time.

mod backend;
mod held;
mod key;
mod lock;
mod mark;

pub use backend::{BackendSettings, Setting, Snapshot, SnapshotId, StateBackend};
pub use held::{Held, hold};
pub use key::StateKey;
pub use lock::{LockInfo, LockKey, Locks, locked};
pub use mark::ProcessMark;
