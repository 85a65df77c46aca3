//! Rules of one's own about plans, in Rego, each asked once about every changed resource and once about the whole plan.
//!
//! Rules named `deny`, `violation` or `warn` (also `deny_…` and so on) in any package count, as conftest has it: a set
//! or list of texts or of objects with `msg` and, if wanted, `hint`, `rule`, `address`. Policies see `input.resource`
//! or, about the whole plan, `input.plan.changes`; sensitive values are replaced by `"(sensitive)"` in both,
//! and copies of them in texts, keys and addresses by `***`.
//!
//! They are evaluated in a second process of the same program, which a deadline and limits of the system end: an
//! interpreter cannot be stopped from inside while one of its functions counts to a trillion.

mod answer;
mod child;
mod engine;
mod evaluator;
mod fixtures;
mod input;
mod limits;
mod message;
mod policies;
mod talk;

pub use child::evaluate_if_asked;
pub use evaluator::Evaluator;
pub use input::About;
pub use limits::Limits;
pub use policies::Policies;
