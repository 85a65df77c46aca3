//! The built-in rules, each asked about every resource with something to tell.

use crate::error::Result;
use crate::plan::judge::iam::admin;
use crate::plan::judge::public::Public;
use crate::plan::judge::{Finding, Findings, Level, Rules, guard, tags};
use crate::plan::model::{Mode, Plan, ResourceChange};

/// Judges a plan by the built-in rules: `ownership`, `protected`, `required-tags`, `public` and `admin`.
///
/// Values are read only of resources that are made or changed. No finding holds a value but a port, a world-open
/// address range and the names of tags.
///
/// # Errors
/// As [`Value::of`](crate::plan::Value::of).
pub fn check(plan: &Plan<'_>, rules: &Rules) -> Result<Findings> {
    let mut findings = Vec::new();
    let public = Public::of(plan, rules)?;
    // What is only read changes nothing; that a data source leaves the code is a `delete`, too.
    for resource in plan.news().filter(|resource| resource.mode == Mode::Managed) {
        findings.extend(guard::ownership(resource, rules));
        findings.extend(guard::protected(resource, rules));
        findings.extend(tags::required(resource, rules)?);
        public.check(resource, &mut findings)?;
        findings.extend(admin(resource)?);
    }
    Ok(Findings::new(findings.into_iter().filter_map(|finding| rules.limit(finding)).collect()))
}

/// A finding of a built-in rule.
pub(super) fn finding(
    resource: &ResourceChange<'_>,
    rule: &str,
    level: Level,
    message: impl Into<String>,
    hint: &str,
) -> Finding {
    Finding {
        address: Some(resource.address.to_string()),
        rule: rule.to_owned(),
        level,
        message: message.into(),
        hint: Some(hint.to_owned()),
    }
}
