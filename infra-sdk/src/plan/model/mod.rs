//! A Terraform plan as `terraform show -json` writes it: one borrowed pass, everything else on demand.

mod action;
mod check;
mod drift;
mod file;
mod format;
mod output;
mod plan;
mod resource;

pub use action::{Actions, Severity};
pub use check::{Check, CheckStatus, Problem};
pub use file::PlanJson;
pub use output::OutputChange;
pub use plan::{Deferred, Plan, RelevantAttribute, Variable};
pub use resource::{Change, Importing, Mode, ResourceChange, ResourceKey};
