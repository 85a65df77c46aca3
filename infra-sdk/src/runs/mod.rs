//! One deploy over many repos: a run, the order in it, claims that cannot be stolen, and leases that truly end.

mod id;
mod lease;
mod port;
mod run;
mod state;
mod view;

pub use id::RunId;
pub use lease::{Lease, LeaseRequest, Leases, held_by};
pub use port::{Offer, Offered, RunStore, Taken, busy, no_run, outdated};
pub use run::{Created, Run, RunRepo};
pub use state::{Claim, End, RepoState, RunPhase, Wish};
pub use view::{Changes, RepoView, Revision, RunSummary, RunView};
