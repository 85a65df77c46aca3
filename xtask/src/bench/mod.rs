//! `bench`: what this SDK costs its users: start-up beside its peers, the first build, the task runtime.

mod build;
mod flags;
mod graph;
mod profile;
mod startup;

pub(crate) use flags::{Flags, run};
