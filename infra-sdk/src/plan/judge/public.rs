//! What a plan opens to the public.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::plan::json::{Mark, Value};
use crate::plan::judge::check::finding;
use crate::plan::judge::exposure::{Exposure, exposures, is_known};
use crate::plan::judge::pattern::Pattern;
use crate::plan::judge::{Finding, Level, Rules};
use crate::plan::model::{Plan, ResourceChange};

/// What keeps a bucket from being opened by its access lists and policies.
const BLOCK: &str = "aws_s3_bucket_public_access_block";

/// The rule `public`: asks of what a resource becomes whether the public can reach it, and of what it was whether that
/// is new.
pub(super) struct Public<'r> {
    rules: &'r Rules,
    /// The buckets that are destroyed in the same plan: what kept them closed may go with them.
    gone: BTreeSet<String>,
}

impl<'r> Public<'r> {
    pub(super) fn of(plan: &Plan<'_>, rules: &'r Rules) -> Result<Self> {
        let mut gone = BTreeSet::new();
        let ends = |resource: &&ResourceChange<'_>| {
            &*resource.kind == "aws_s3_bucket"
                && resource.change.actions.deletes()
                && resource.deposed().is_none()
        };
        for resource in plan.news().filter(ends) {
            let before = Value::of_part(resource.change.before)?;
            let names = ["bucket", "id"].into_iter().filter_map(|key| before.get(key)?.as_str());
            gone.extend(names.map(str::to_owned));
        }
        Ok(Public { rules, gone })
    }

    pub(super) fn check(&self, resource: &ResourceChange<'_>, findings: &mut Vec<Finding>) -> Result<()> {
        if !is_known(&resource.kind)
            || self.rules.public.iter().any(|pattern| Pattern::new(pattern).names(resource))
        {
            return Ok(());
        }
        let change = &resource.change;
        let hint = "close it; if it is public on purpose, add its address to `public` of [policy]";
        if !change.actions.creates() && !change.actions.updates() {
            if self.unblocks(resource)? {
                let message = "what keeps its bucket from being opened to the public is removed";
                findings.push(finding(resource, "public", Level::Error, message, hint));
            }
            return Ok(());
        }
        let (before, after) = (Value::of_part(change.before)?, Value::of_part(change.after)?);
        let unknown = Value::of_part(change.after_unknown)?;
        let were = exposures(&resource.kind, &before, Mark::NONE);
        let new = |exposure: &Exposure| !were.iter().any(|was| was.key == exposure.key);
        for exposure in exposures(&resource.kind, &after, Mark::of(&unknown)).into_iter().filter(new) {
            findings.push(finding(resource, "public", exposure.level, exposure.message, hint));
        }
        Ok(())
    }

    /// Whether it is the end of a block on public access whose bucket stays.
    fn unblocks(&self, resource: &ResourceChange<'_>) -> Result<bool> {
        let change = &resource.change;
        if &*resource.kind != BLOCK || !change.actions.deletes() || resource.deposed().is_some() {
            return Ok(false);
        }
        let before = Value::of_part(change.before)?;
        let bucket = before.get("bucket").and_then(Value::as_str);
        Ok(bucket.is_none_or(|bucket| !self.gone.contains(bucket)))
    }
}
