//! Several rooms together, with real terraform, git and processes.

mod counted;
mod counts;
mod deploy;
mod events;
#[cfg(unix)]
mod dev;
#[cfg(all(target_os = "linux", feature = "remote"))]
mod dev_nats;
#[cfg(all(unix, feature = "remote"))]
mod dev_worker;
mod examples;
#[cfg(unix)]
mod fleet;
mod interrupted;
#[cfg(unix)]
mod killing;
#[cfg(all(unix, feature = "remote"))]
mod nats_runs;
#[cfg(feature = "remote")]
mod nats_manifests;
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
