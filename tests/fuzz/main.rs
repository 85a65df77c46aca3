//! Hostile plans, by the thousand: nothing panics, nothing hangs, and no secret stands in anything that is shown.
//!
//! Some seconds at each run. A case that fails is told by its mutations, the shortest list that still fails, and the plan is
//! kept as a file. For an hour's worth:
//! `INFRA_FUZZ_SECONDS=3600 cargo test --release --package infra-sdk-tests --test fuzz -- --nocapture`

mod check;
mod marks;
mod mutate;
mod plan;
mod watch;
