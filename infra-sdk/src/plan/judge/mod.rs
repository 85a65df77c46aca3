//! Judging a plan: findings, each about one resource, with what to do about it.

mod check;
mod expected;
mod exposure;
mod finding;
mod guard;
mod iam;
mod network;
mod pattern;
mod policy_tests;
mod public;
mod rules;
mod tags;
#[cfg(test)]
mod tests;

pub use check::check;
pub use expected::{ExpectedFinding, ExpectedFindings};
pub use finding::{Finding, Findings, Level};
pub use policy_tests::{PolicyTest, PolicyTests};
pub use rules::Rules;
