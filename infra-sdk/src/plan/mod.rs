//! A Terraform plan as a value: read, summarised, compared, judged and shown, without Terraform and without the task
//! runtime.
//!
//! [`PlanJson`] holds what `terraform show -json PLANFILE` (or `tofu`) wrote, and [`Plan`] borrows from it. From there on
//! each room stands for itself:
//!
//! | to know | ask |
//! | --- | --- |
//! | what it does, in numbers and names | [`Summary`] |
//! | what changes inside a resource | [`diff::resource`] |
//! | whether another plan does more than this one | [`verdict::compare`], or [`verdict::Approval`] to keep no plan |
//! | whether it breaks a rule | [`judge::check`] |
//! | what it costs a month | [`cost::estimate`] |
//! | who reads what it changes | [`impact::of`] |
//! | what was changed outside of Terraform | [`drift::triage`] |
//! | what would undo it, and what nothing would | [`rollback::WayBack`] |
//! | how to show it without its secrets | [`Page`]; [`Veil`] for texts of your own |
//!
//! A plan holds secrets in clear, and its marks are not enough to find them: show nothing of it but through a [`Page`] or
//! a [`Veil`].
//!
//! ```
//! use infra_sdk::plan::{COMMENT_LIMIT, Page, PlanJson, Stack, Veil, verdict};
//!
//! # let text = r#"{"format_version": "1.2", "resource_changes": [{"address": "aws_vpc.main", "type": "aws_vpc",
//! #     "name": "main", "change": {"actions": ["update"], "before": {"tags": null}, "after": {"tags": {"team": "net"}}}}]}"#;
//! # let (approved, anew) = (PlanJson::new(text)?, PlanJson::new(text)?);
//! // let (approved, anew) = (PlanJson::read("approved.json")?, PlanJson::read("anew.json")?);
//! let (approved, anew) = (approved.plan()?, anew.plan()?);
//! let comparison = verdict::compare(&approved, &anew)?;
//! if !comparison.allows_apply() {
//!     let page = Page::of([Stack::new("network", &anew)], Veil::default())?;
//!     println!("{}", page.markdown("network", COMMENT_LIMIT)?);
//! }
//! # assert!(comparison.allows_apply());
//! # Ok::<(), infra_sdk::Error>(())
//! ```

mod json;
mod model;
mod summary;
pub mod meaning;
pub mod diff;
mod veil;
pub(crate) mod plain;
mod glob;
pub mod verdict;
pub mod judge;
pub mod cost;
pub mod impact;
pub mod drift;
pub mod rollback;
mod render;

pub use json::{Mark, Number, Object, Text, Value};
pub use model::{
    Actions, Change, Check, CheckStatus, Deferred, Importing, Mode, OutputChange, Plan, PlanJson, Problem,
    RelevantAttribute, ResourceChange, ResourceKey, Severity, Variable,
};
pub use render::{COMMENT_LIMIT, Note, Page, SCHEMA, Stack, Style};
pub use summary::{CheckRow, Counts, OutputRow, Row, Summary};
pub use veil::Veil;
