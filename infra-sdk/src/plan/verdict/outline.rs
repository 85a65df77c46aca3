//! What a plan says of itself as a whole, and its checks.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::plan::model::{CheckStatus, Plan};
use crate::plan::verdict::Weight;
use crate::plan::verdict::comparison::Reasons;

/// The parts of a plan that belong to no resource. No value is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Outline {
    /// Major and minor version of Terraform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    terraform: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    complete: Option<bool>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    refresh_only: bool,
    /// How many actions are invoked.
    #[serde(default, skip_serializing_if = "is_zero")]
    invocations: usize,
    /// What could not be planned yet.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    deferred: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    checks: BTreeMap<String, Check>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Check {
    status: Status,
    /// How many conditions failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    problems: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Pass,
    Fail,
    Error,
    Unknown,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Outline {
    pub(super) fn of(plan: &Plan<'_>) -> Self {
        let minor = |version: &str| version.split('.').take(2).collect::<Vec<_>>().join(".");
        let deferred = plan.deferred_changes.iter().map(|deferred| &deferred.resource_change);
        let mut checks = BTreeMap::new();
        for check in &plan.checks {
            let status = match check.status {
                CheckStatus::Pass => Status::Pass,
                CheckStatus::Fail => Status::Fail,
                CheckStatus::Error => Status::Error,
                CheckStatus::Unknown => Status::Unknown,
            };
            checks.insert(check.name.to_string(), Check { status, problems: check.problems.len() });
        }
        Outline {
            terraform: plan.terraform_version.as_deref().map(minor),
            complete: plan.complete,
            refresh_only: plan.is_refresh_only(),
            invocations: plan.action_invocations,
            deferred: deferred.map(|resource| resource.address.to_string()).collect(),
            checks,
        }
    }

    /// Compares with the re-plan; whether that has an error is asked of itself.
    pub(super) fn compare(&self, replan: &Plan<'_>, reasons: &mut Reasons) {
        let now = Outline::of(replan);
        if replan.errored == Some(true) {
            reasons.add(Weight::Wider, "", "planning ended with an error, so this is only a part of a plan");
        }
        if now.complete == Some(false) && self.complete != Some(false) {
            let what =
                "it is the plan of a part (`-target`, or something deferred), and approved was one of all";
            reasons.trap("", what);
        }
        if now.refresh_only && !self.refresh_only {
            reasons.trap("", "it only looks at what is there and changes nothing");
        }
        for address in now.deferred.difference(&self.deferred) {
            reasons.trap(address, "cannot be planned yet");
        }
        if now.invocations > self.invocations {
            reasons.add(Weight::Wider, "", "it invokes more actions than approved");
        } else if now.invocations < self.invocations {
            reasons.add(Weight::Narrower, "", "it invokes fewer actions than approved");
        }
        if let (Some(a), Some(b)) = (&self.terraform, &now.terraform)
            && a != b
        {
            reasons.add(Weight::Same, "", "it was made with another version of Terraform");
        }
        self.compare_checks(&now, reasons);
    }

    fn compare_checks(&self, now: &Outline, reasons: &mut Reasons) {
        for (name, check) in &now.checks {
            let before = self.checks.get(name);
            let mut add = |weight, what: &str| reasons.add(weight, &address(name), what);
            match (before.map(|check| check.status), check.status) {
                (Some(Status::Fail | Status::Error), Status::Fail | Status::Error) => {
                    if before.is_some_and(|before| check.problems > before.problems) {
                        add(Weight::Wider, "fails in more places than at the review");
                    } else if before != Some(check) {
                        add(Weight::Same, "fails in another way than at the review");
                    }
                }
                (_, Status::Fail) => add(Weight::Wider, "fails, and did not at the review"),
                (_, Status::Error) => add(Weight::Wider, "cannot be evaluated, and could at the review"),
                (Some(Status::Unknown), Status::Pass) => {
                    add(Weight::Resolved, "was unknown and passes now");
                }
                (Some(Status::Fail | Status::Error), _) => {
                    add(Weight::Same, "failed at the review and does not any more");
                }
                (Some(Status::Pass), Status::Unknown) => {
                    add(Weight::Same, "passed at the review and can be told only after the apply now");
                }
                _ => {}
            }
        }
    }
}

/// A check by its name; conditions of a resource or an output go by that one's.
fn address(name: &str) -> String {
    let is_named = ["check.", "output.", "var."].iter().any(|kind| name.starts_with(kind));
    if is_named || name.contains('.') { name.to_owned() } else { format!("check.{name}") }
}
