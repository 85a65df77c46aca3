//! The outputs of two plans: each as a resource with one value.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::names::quoted;
use crate::plan::model::{OutputChange, Plan};
use crate::plan::verdict::Weight;
use crate::plan::verdict::comparison::Reasons;
use crate::plan::verdict::entry::Values;
use crate::plan::verdict::key::ApprovalKey;
use crate::plan::verdict::print::{Print, Seal};
use crate::plan::verdict::probe::{Outcome, probe};

/// The approved changes of outputs, by name.
pub(super) type Outputs = BTreeMap<String, Output>;

/// What is kept of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Output {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<Print>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    sensitive: bool,
}

/// Keeps what changes, leaving out what says the same in `other`, byte for byte: that needs no look.
pub(super) fn outputs(plan: &Plan<'_>, key: &ApprovalKey, other: Option<&Plan<'_>>) -> Result<Outputs> {
    let others = other.map_or_else(|| Ok(HashMap::new()), by_name)?;
    let mut outputs = Outputs::new();
    for (name, output) in by_name(plan)? {
        let is_same = others.get(name).is_some_and(|other| other.change.is_same_text(&output.change));
        if is_same || output.change.actions.is_no_op() {
            continue;
        }
        let (address, values) = (address(name), Values::of(&output.change)?);
        let after = Seal { key, address: &address }.print("", values.all_after(), true);
        outputs.insert(name.to_owned(), Output { after, sensitive: output.stays_sensitive()? });
    }
    Ok(outputs)
}

/// Compares the outputs that `approved` keeps with those of `replan`. What says the same in `plan` was approved, too.
pub(super) fn compare(
    key: &ApprovalKey,
    approved: &Outputs,
    replan: &Plan<'_>,
    plan: Option<&Plan<'_>>,
    reasons: &mut Reasons,
) -> Result<()> {
    let outputs = by_name(replan)?;
    for (name, output) in approved {
        let address = address(name);
        let now = outputs.get(name.as_str()).filter(|now| !now.change.actions.is_no_op());
        let Some(now) = now else {
            reasons.add(Weight::Narrower, &address, "does not change any more");
            continue;
        };
        if output.sensitive && !now.stays_sensitive()? {
            reasons.add(Weight::Wider, &address, "was sensitive and would be shown from now on");
        }
        let values = Values::of(&now.change)?;
        let seal = Seal { key, address: &address };
        for (outcome, path) in probe(seal, "", output.after.as_ref(), values.all_after()) {
            let place = if path.is_empty() { "its value".to_owned() } else { format!("`{path}`") };
            let (weight, what) = match outcome {
                Outcome::Resolved => (Weight::Resolved, "was unknown and is known now"),
                Outcome::NowUnknown => (Weight::Wider, "is not known before the apply any more"),
                Outcome::Added => (Weight::Wider, "is set, which was not to be set"),
                Outcome::Gone => (Weight::Wider, "is not set any more"),
                Outcome::Changed | Outcome::Opaque => (Weight::Wider, "becomes another value than approved"),
            };
            reasons.add(weight, &address, format!("{place} {what}"));
        }
    }
    let same = plan.map_or_else(|| Ok(HashMap::new()), by_name)?;
    for (name, output) in outputs.iter().filter(|(_, output)| !output.change.actions.is_no_op()) {
        let is_same = same.get(name).is_some_and(|same| same.change.is_same_text(&output.change));
        if !approved.contains_key(*name) && !is_same {
            reasons.add(Weight::Wider, &address(name), "changes, which nobody approved");
        }
    }
    Ok(())
}

fn by_name<'p, 'a>(plan: &'p Plan<'a>) -> Result<HashMap<&'p str, &'p OutputChange<'a>>> {
    let mut outputs = HashMap::with_capacity(plan.output_changes.len());
    for output in &plan.output_changes {
        if outputs.insert(&*output.name, output).is_some() {
            return Err(Error::invalid("an output stands in the plan twice")
                .with("output", quoted(&output.name))
                .hint(
                    "make the plan again with `terraform show -json`: nobody can say which of the two counts",
                ));
        }
    }
    Ok(outputs)
}

fn address(name: &str) -> String {
    format!("output.{name}")
}
