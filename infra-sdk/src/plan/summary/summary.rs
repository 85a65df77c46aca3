//! What a whole plan does.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::error::Result;
use crate::plan::model::{CheckStatus, Plan};
use crate::plan::plain::plain;
use crate::plan::summary::tally::Tally;
use crate::plan::summary::{Counts, Row};

/// A plan in numbers and names. Made from one look at each entry; it holds addresses, never values.
///
/// ```
/// use infra_sdk::plan::{Plan, Summary};
/// let json = br#"{"format_version": "1.2", "resource_changes": [
///     {"address": "aws_vpc.main", "type": "aws_vpc", "name": "main", "change": {"actions": ["delete", "create"]}}]}"#;
/// let summary = Summary::of(&Plan::parse(json)?)?;
/// assert_eq!(summary.to_string(), "1 to add, 0 to change, 1 to destroy (1 is replaced)\n   -/+ aws_vpc.main");
/// # Ok::<(), infra_sdk::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// All resources together.
    pub counts: Counts,
    /// By resource type.
    pub by_type: BTreeMap<String, Counts>,
    /// By module; the root module is `""`.
    pub by_module: BTreeMap<String, Counts>,
    /// Every resource with something to tell, in the plan's order.
    pub changes: Vec<Row>,
    /// The outputs whose value changes.
    pub outputs: Vec<OutputRow>,
    /// What was changed outside of Terraform and may be a reason for this plan.
    pub drift: Vec<Row>,
    /// How many entries of drift there are in all.
    pub drift_total: usize,
    /// What could not be planned yet, and why.
    pub deferred: Vec<(String, Row)>,
    /// The checks that do not pass; messages are left out, for they may hold secrets.
    pub checks: Vec<CheckRow>,
    /// How many checks pass.
    pub checks_passed: usize,
    /// How many actions are invoked.
    pub action_invocations: usize,
    /// Whether planning ended with an error, so that this is only a part; `None` where the version does not tell.
    pub errored: Option<bool>,
    /// Whether applying it makes the world as the code says; `None` where the version does not tell.
    pub complete: Option<bool>,
    /// Whether it may be applied; `None` where the version does not tell.
    pub applyable: Option<bool>,
    /// The version of Terraform or OpenTofu.
    pub terraform_version: Option<String>,
}

/// One output that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutputRow {
    /// Its name.
    pub name: String,
    /// What is done.
    pub actions: crate::plan::model::Actions,
    /// Whether its value is sensitive.
    pub sensitive: bool,
}

/// One check that does not pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckRow {
    /// What is checked.
    pub name: String,
    /// What came of it.
    pub status: CheckStatus,
    /// How many conditions failed.
    pub problems: usize,
}

impl Summary {
    /// Summarises a plan.
    ///
    /// # Errors
    /// As [`Value::of`](crate::plan::Value::of), for the parts that are looked into.
    pub fn of(plan: &Plan<'_>) -> Result<Self> {
        let mut summary = Summary {
            action_invocations: plan.action_invocations,
            errored: plan.errored,
            complete: plan.complete,
            applyable: plan.applyable,
            terraform_version: plan.terraform_version.as_deref().map(str::to_owned),
            drift_total: plan.resource_drift.len(),
            ..Summary::default()
        };
        // One allocation of the right size: rows are large, and growing would copy them again and again.
        summary.changes.reserve_exact(plan.news().count());
        let (mut by_type, mut by_module) = (Tally::default(), Tally::default());
        for resource in &plan.resource_changes {
            let counts = Counts::of(resource);
            summary.counts.add_all(&counts);
            by_type.add(&resource.kind, &counts);
            by_module.add(resource.module_address.as_deref().unwrap_or_default(), &counts);
            if resource.is_news() {
                summary.changes.push(Row::of(resource)?);
            }
        }
        (summary.by_type, summary.by_module) = (by_type.into_map(), by_module.into_map());
        for output in plan.output_changes.iter().filter(|output| !output.change.actions.is_no_op()) {
            summary.outputs.push(OutputRow {
                name: output.name.to_string(),
                actions: output.change.actions.clone(),
                sensitive: output.is_sensitive()?,
            });
        }
        summary.drift = plan.relevant_drift()?.into_iter().map(Row::of).collect::<Result<_>>()?;
        for deferred in &plan.deferred_changes {
            summary.deferred.push((deferred.reason.to_string(), Row::of(&deferred.resource_change)?));
        }
        for check in &plan.checks {
            if check.status == CheckStatus::Pass {
                summary.checks_passed += 1;
                continue;
            }
            let (name, problems) = (check.name.to_string(), check.problems.len());
            summary.checks.push(CheckRow { name, status: check.status, problems });
        }
        Ok(summary)
    }

    /// Whether applying the plan does anything: to a resource, an output or by an action.
    pub fn has_changes(&self) -> bool {
        !self.counts.is_nothing() || !self.outputs.is_empty() || self.action_invocations > 0
    }

    /// Whether something is destroyed.
    pub fn destroys(&self) -> bool {
        self.counts.destroy > 0
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.counts)?;
        for change in &self.changes {
            write!(f, "\n{change}")?;
        }
        if !self.outputs.is_empty() {
            let names: Vec<_> = self.outputs.iter().map(|output| plain(&output.name)).collect();
            write!(f, "\n  outputs that change: {}", names.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_and_no_output_breaks_out_of_its_line_or_turns_it_around() {
        let json = r#"{"format_version":"1.2","resource_changes":[{"address":"a.b[\"\n\u202ex\"]","type":"a","name":"b",
            "change":{"actions":["create"]}}],"output_changes":{"o\n\u200b\u001b[2J":{"actions":["create"],"after":1}}}"#;
        let text = Summary::of(&Plan::parse(json.as_bytes()).unwrap()).unwrap().to_string();
        assert_eq!(text.lines().count(), 3, "{text:?}");
        assert!(!text.contains(['\u{202e}', '\u{200b}', '\u{1b}']), "{text:?}");
    }
}
