//! S3, and what speaks its protocol: Terraform state, locks, and the ledger as objects of one bucket.

mod body;
mod bucket;
mod clock;
mod ledger;
mod list;
mod locks;
mod policy;
mod probe;
mod setup;
mod setup_write;
mod state;
mod state_locks;
mod write;

pub use bucket::Bucket;
pub use ledger::S3Ledger;
pub use locks::S3Locks;
pub use state::S3State;
