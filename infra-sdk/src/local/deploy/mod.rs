//! Releases as supervised processes on this machine.
//!
//! Three kinds of process meet in one folder, and any of them may be killed at any time. A command
//! (`infra:deploy`) holds the claim while it works, and says in `state.json` which release is wanted under
//! which ticket. A supervisor holds `supervisor.lock`, runs its service for as long as its own ticket is the
//! wanted one, and writes what it sees to `supervisor.json`. The service itself is known by the release in its environment. Nobody
//! sends a signal to a number read from a file: a lock that the kernel frees tells who is alive.

mod folder;
mod health;
mod launch;
mod log;
mod orphans;
mod port;
mod supervise;
mod supervisor;
mod target;

pub(crate) use health::probe;
pub(crate) use port::{check_free, choose as choose_port};
pub use supervise::supervise_if_asked;
pub use target::LocalDeploy;
