//! Collecting the sensitive values of a plan.

use serde_json::value::RawValue;

use crate::error::Result;
use crate::plan::json::{Mark, Value};
use crate::plan::model::{Change, Plan};
use crate::secret::SecretValue;

/// Every sensitive scalar: marked leaves before and after, and the values of sensitive outputs.
pub(super) fn secrets(plan: &Plan<'_>) -> Result<Vec<SecretValue>> {
    let mut found = Vec::new();
    let changes = plan.resource_changes.iter().chain(&plan.resource_drift).map(|resource| &resource.change);
    let deferred = plan.deferred_changes.iter().map(|deferred| &deferred.resource_change.change);
    let outputs = plan.output_changes.iter().map(|output| &output.change);
    for change in changes.chain(deferred).chain(outputs) {
        of_change(change, &mut found)?;
    }
    Ok(found)
}

fn of_change(change: &Change<'_>, found: &mut Vec<SecretValue>) -> Result<()> {
    marked(change.before, change.before_sensitive, found)?;
    marked(change.after, change.after_sensitive, found)
}

fn marked(value: Option<&RawValue>, mark: Option<&RawValue>, found: &mut Vec<SecretValue>) -> Result<()> {
    // Most marks say nothing, which is seen without a tree.
    let (Some(value), Some(mark)) = (value, mark.filter(|mark| mark.get().contains("true"))) else {
        return Ok(());
    };
    walk(&Value::of(value)?, Mark::of(&Value::of(mark)?), found);
    Ok(())
}

fn walk(value: &Value<'_>, mark: Mark<'_>, found: &mut Vec<SecretValue>) {
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| walk(item, mark.index(index), found));
        }
        Value::Object(object) => object.iter().for_each(|(key, value)| walk(value, mark.key(key), found)),
        Value::String(text) if mark.is_whole() => found.push(SecretValue::new(text.as_ref())),
        Value::Number(number) if mark.is_whole() => found.push(SecretValue::new(number.as_str())),
        _ => {}
    }
}
