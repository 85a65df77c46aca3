//! Hostile plans, by the thousand: nothing panics, nothing hangs, and no secret stands in anything that is shown.
//!
//! Some seconds at each run. For a long one: `INFRA_FUZZ_SECONDS=3600 cargo test --release --package infra-sdk-tests --test fuzz --
//! --nocapture`. A case
//! that fails is told by the list of its mutations, the shortest that still fails, and kept as a file.

mod check;
mod marks;
mod mutate;
mod plan;
mod watch;
