//! Runs in JetStream: states and leases as keys of one bucket, offers as messages of one work queue.

mod bucket;
mod changes;
mod create;
mod keys;
mod leases;
mod link;
mod listing;
mod queue;
mod records;
mod reserve;
mod store;
mod wake;

pub use store::NatsRuns;
