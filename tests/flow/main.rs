//! Several rooms together, with real terraform, git and processes.

mod deploy;
mod examples;
mod terraform;
mod tools;
