//! Provisioned programs: what tests run against, below `target/tools`.

use std::path::PathBuf;

use crate::repo;

/// A provisioned file; a test without it fails, and says how to get it.
pub fn tool(path: &str) -> PathBuf {
    let found = repo().join("target/tools").join(path);
    assert!(found.exists(), "{} is missing: run `cargo xtask provision`", found.display());
    found
}
