//! Driving Terraform or OpenTofu: typed variables in, exactly the plan that was shown applied, typed outputs out.
//!
//! [`Terraform::find`] finds the program, [`Terraform::stack`] opens one stack, and its four steps are
//! [`init`](Stack::init), [`plan`](Stack::plan), [`apply`](Stack::apply) and [`outputs`](Stack::outputs). Nothing
//! but `.terraform.lock.hcl` is written into the repo: `tree` says how the backend gets into code that has none.

mod backend;
mod code;
mod failure;
mod find;
mod moved;
mod outputs;
mod package;
mod plan_file;
mod stack;
mod tree;
mod variables;

pub use find::Terraform;
pub use outputs::Output;
pub use package::PlanPackage;
pub use plan_file::{Applied, PlanFile};
pub use stack::{Stack, StackPlace};
