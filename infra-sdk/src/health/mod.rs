//! Whether a service that tasks depend on can be used: probes in order, each with what it saw and what to do about it.

mod check;
mod metrics;
mod nagios;
mod probe;
mod report;

pub use check::HealthCheck;
pub use probe::{Probe, State};
pub use report::{Health, Skipped};
