//! How much time and memory policies may take.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How much time and memory policies may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// For one rule and one resource; a rule that takes longer is left out from then on.
    pub each: Duration,
    /// For all of them together.
    pub total: Duration,
    /// Bytes of memory, kept by the kernel on Linux; elsewhere only time bounds what a rule can allocate.
    pub memory: u64,
}

impl Default for Limits {
    /// Two seconds for one evaluation, a minute for all, 512 MiB.
    fn default() -> Self {
        Limits { each: Duration::from_secs(2), total: Duration::from_secs(60), memory: 512 << 20 }
    }
}
