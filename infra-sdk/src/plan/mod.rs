//! A Terraform plan as a value: read, summarised, compared, judged and shown, without Terraform and without the task
//! runtime.
//!
//! [`PlanJson`] holds what `terraform show -json PLANFILE` wrote and [`Plan`] borrows from it; a [`Summary`] says in
//! numbers and names what it does.

pub mod cost;
pub mod diff;
pub mod impact;
pub mod judge;
pub mod drift;
mod json;
pub mod meaning;
mod model;
pub mod rollback;
mod render;
pub(crate) mod plain;
mod summary;
mod veil;
pub mod verdict;

pub use json::{Mark, Number, Object, Text, Value};
pub use model::{
    Actions, Change, Check, CheckStatus, Deferred, Importing, Mode, OutputChange, Plan, PlanJson, Problem,
    RelevantAttribute, ResourceChange, ResourceKey, Severity, Variable,
};
pub use render::{COMMENT_LIMIT, Note, Page, SCHEMA, Stack, Style};
pub use summary::{CheckRow, Counts, OutputRow, Row, Summary};
pub use veil::Veil;
