//! `bench`: what this SDK costs its users: start-up, secrets, references, plans and images beside its peers, deploys over
//! many repos, the first build, the task runtime.

mod build;
mod flags;
mod graph;
mod images;
mod plan;
mod profile;
mod refs;
mod runs;
mod secrets;
mod startup;

pub(crate) use flags::{Flags, run};
