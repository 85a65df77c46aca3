//! One deploy over many repos: a run, the order in it, claims that cannot be stolen, and leases that truly end.

mod agent;
mod agents;
mod claim;
mod coordinator;
mod id;
mod keep;
mod lease;
mod moves;
mod order;
#[cfg(test)]
mod outages;
mod patience;
mod port;
mod report;
mod run;
mod state;
mod steward;
mod unserved;
mod view;

pub use agent::{AgentOptions, Deployer, Job, serve};
pub use coordinator::{FollowOptions, Watcher, follow, wish_to_end};
pub use id::RunId;
pub use lease::{Lease, LeaseRequest, Leases, held_by};
pub(crate) use lease::{LeaseRecord, SHORTEST, check_name};
pub use order::in_order;
pub(crate) use patience::load;
pub(crate) use port::env_flag;
pub use port::{Offer, Offered, RunStore, Taken, Unfinished, busy, no_run, outdated};
pub use report::{RepoReport, RunOutcome, RunReport};
pub use run::{Created, Run, RunRepo};
pub use state::{Claim, End, RepoState, RunPhase, Wish};
pub use steward::steward;
pub use view::{Changes, RepoView, Revision, RunSummary, RunView};
