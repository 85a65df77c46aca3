//! Several rooms together, with real terraform, git and processes.

mod counts;
mod deploy;
mod examples;
mod interrupted;
mod organisation;
mod pinned;
#[cfg(unix)]
mod reproducible;
mod roll_back;
#[cfg(feature = "remote")]
mod staging;
mod terraform;
mod tools;
mod way_back;
mod world;
