//! Terraform state: where it is kept, what is in it, copies of it, and the locks that let one change happen at a time.

mod access;
mod backend;
mod diff;
mod document;
mod held;
mod key;
pub(crate) mod left;
mod lock;
mod mark;
mod state_locks;
mod store;
mod template;
mod tflock;

pub use access::{KeySource, ObjectKeys};
pub use backend::{BackendSettings, Setting, Snapshot, SnapshotId, StateBackend};
pub use diff::StateDiff;
pub use document::{ShownState, StateDocument};
pub use held::{Held, hold};
pub use key::StateKey;
pub use lock::{LockInfo, LockKey, Locks, locked};
pub use mark::ProcessMark;
pub use state_locks::StateLocks;
pub use store::{Probe, SetupPlan, SetupStep, StateSetup, StateStore};
pub use template::KeyTemplate;
pub use tflock::{LockRequest, SeenLock, TfLock};
