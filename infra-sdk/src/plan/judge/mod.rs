//! Judging a plan: findings, each about one resource, with what to do about it.

mod finding;

pub use finding::{Finding, Findings, Level};
