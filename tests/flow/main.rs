//! Several rooms together, with real terraform, git and processes.

mod deploy;
mod terraform;
mod tools;
