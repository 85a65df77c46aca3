//! Several rooms together, with real terraform, git and processes.

mod counts;
mod deploy;
mod events;
mod examples;
#[cfg(unix)]
mod fleet;
mod interrupted;
#[cfg(all(unix, feature = "remote"))]
mod nats_runs;
mod organisation;
mod pinned;
#[cfg(unix)]
mod reproducible;
mod roll_back;
#[cfg(unix)]
mod runs;
mod runs_engine;
#[cfg(feature = "remote")]
mod staging;
mod terraform;
mod tools;
mod way_back;
mod world;
