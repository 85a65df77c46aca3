//! Hostile plans, by the thousand: nothing panics, nothing hangs, and no secret stands in anything that is shown.
//!
//! Some seconds at each run; `INFRA_FUZZ_SECONDS=3600 cargo test --package infra-sdk-tests --test fuzz` for a long one. A case
//! that fails is told by the list of its mutations, the shortest that still fails, and kept as a file.

mod check;
mod marks;
mod mutate;
mod plan;
mod watch;
