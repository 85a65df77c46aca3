//! Collecting the sensitive values of a plan.

use serde_json::value::RawValue;

use crate::error::Result;
use crate::plan::json::{Mark, Value};
use crate::plan::model::{Change, Plan};
use crate::plan::veil::config::Declared;
use crate::plan::veil::decoded::readable;
use crate::secret::SecretValue;

/// Every sensitive scalar: marked leaves before and after, values of sensitive outputs and variables, and what sensitive
/// variables of any module hold by default.
pub(super) fn secrets(plan: &Plan<'_>, found: &mut impl FnMut(SecretValue)) -> Result<()> {
    let changes = plan.resource_changes.iter().chain(&plan.resource_drift).map(|resource| &resource.change);
    let deferred = plan.deferred_changes.iter().map(|deferred| &deferred.resource_change.change);
    let outputs = plan.output_changes.iter().map(|output| &output.change);
    for change in changes.chain(deferred).chain(outputs) {
        of_change(change, found)?;
    }
    let declared = Declared::of(plan.configuration)?;
    let values = plan.variables.iter().filter(|variable| declared.root.contains(&variable.name));
    for raw in values.filter_map(|variable| variable.value).chain(declared.defaults.iter().copied()) {
        walk(&Value::of(raw)?, Mark::WHOLE, found);
    }
    Ok(())
}

/// The values inside a secret that is a JSON text, and what it is the base64 form of: whoever decodes it shows them.
pub(in crate::plan) fn inside(text: &str, found: &mut impl FnMut(SecretValue)) {
    if let Some(decoded) = readable(text) {
        found(SecretValue::new(decoded));
    }
    if text.trim_start().starts_with(['{', '[', '"'])
        && let Ok(value) = Value::parse(text)
        // A text inside is shorter than the one around it, so this ends.
        && value.as_str().is_none_or(|inner| inner.len() < text.len())
    {
        walk(&value, Mark::WHOLE, found);
    }
}

fn of_change(change: &Change<'_>, found: &mut impl FnMut(SecretValue)) -> Result<()> {
    marked(change.before, change.before_sensitive, found)?;
    marked(change.after, change.after_sensitive, found)
}

fn marked(
    value: Option<&RawValue>,
    mark: Option<&RawValue>,
    found: &mut impl FnMut(SecretValue),
) -> Result<()> {
    // Most marks say nothing, which is seen without a tree.
    let (Some(value), Some(mark)) = (value, mark.filter(|mark| mark.get().contains("true"))) else {
        return Ok(());
    };
    walk(&Value::of(value)?, Mark::of(&Value::of(mark)?), found);
    Ok(())
}

fn walk(value: &Value<'_>, mark: Mark<'_>, found: &mut impl FnMut(SecretValue)) {
    // A mark of another shape than its value would hide nothing: then everything is taken for marked.
    let mark = if mark.fits(value) { mark } else { Mark::WHOLE };
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| walk(item, mark.index(index), found));
        }
        Value::Object(object) => {
            for (key, value) in object.iter() {
                // Most keys are names; one like a token is what somebody hid by marking the map.
                if mark.is_whole() && is_like_a_token(key) {
                    found(SecretValue::new(key));
                }
                walk(value, mark.key(key), found);
            }
        }
        Value::String(text) if mark.is_whole() => found(SecretValue::new(text.as_ref())),
        Value::Number(number) if mark.is_whole() => found(SecretValue::new(number.as_str())),
        _ => {}
    }
}

/// Whether a key is one that nobody would choose as a name: long, and of letters and digits.
fn is_like_a_token(key: &str) -> bool {
    key.len() >= 16
        && key.bytes().any(|byte| byte.is_ascii_digit())
        && key.bytes().any(|byte| byte.is_ascii_alphabetic())
}
