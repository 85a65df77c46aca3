//! The record of every change: append-only, each entry sealed onto the one before it.

mod actor;
mod entry;
mod history;
mod port;
mod verify;

pub(crate) use actor::UNKNOWN;
pub use actor::actor;
pub use entry::{Entry, Outcome, Record};
pub use history::{Filter, History, history};
pub use port::Ledger;
pub use verify::{Verified, verify};
