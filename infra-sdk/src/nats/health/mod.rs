//! Whether NATS can be used: eight probes in order, from the settings to what this crate keeps there.

mod ask;
mod assets;
mod canary;
mod check;
mod connect;
mod credential;
mod jetstream;
mod monitor;
mod quorum;
mod rehearsal;
mod server;
mod spec;
mod target;
mod thresholds;

pub use check::{NatsCheck, NatsHealth, health};
pub use spec::HealthSpec;
