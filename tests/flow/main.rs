//! Several rooms together, with real terraform, git and processes.

mod deploy;
mod examples;
mod interrupted;
mod organisation;
mod pinned;
mod terraform;
mod tools;
mod world;
