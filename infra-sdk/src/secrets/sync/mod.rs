//! Syncs: plan the fewest writes, make them at the pace a store allows, and remember what was written.
//!
//! Stores that never give a value back can still be kept equal to the values at hand: a state file notes a keyed
//! [fingerprint](crate::secrets::Fingerprint) of every value that was written, and the stamp the store gave the write.
//! A value is written when its fingerprint changed; a stamp that moved says that somebody else wrote it, which is told
//! and written over only when that was asked for. A state that was cut, forged, or rolled back is not believed: then
//! everything is written, and nothing is removed.

mod apply;
mod book;
mod calls;
mod compare;
mod look;
mod noting;
mod pace;
mod plan;
mod queue;
mod report;
mod shown;
mod state;
mod target;
mod writer;

pub use calls::Calls;
pub use compare::Action;
pub use plan::{PlannedSecret, SyncPlan, TargetPlan, UnseenTarget, plan_sync};
pub use report::{SyncReport, TargetReport};
pub use state::{KnownWrite, SyncState};
pub use target::{SyncOptions, SyncProgress, SyncTarget};
