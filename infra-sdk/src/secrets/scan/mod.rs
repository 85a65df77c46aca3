//! Looking for real values in what git knows: files, what is staged, and the history; and the hook that looks before each
//! commit.

mod files;
mod git;
mod history;
mod hook;
mod needles;
mod objects;
mod report;
mod run;
mod search;
#[cfg(all(test, unix))]
mod tests;

pub use hook::{HookPlan, plan_hook};
pub use report::{Finding, Form, Place, ScanProgress, ScanReport};
pub use run::{ScanOptions, scan};
