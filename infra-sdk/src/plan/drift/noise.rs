//! Telling drift that means nothing: what a provider reads back in another form than it was written.

use crate::plan::diff::{AttributeChange, Difference};
use crate::plan::drift::Noise;
use crate::plan::json::Value;

/// Why a difference probably means nothing, if it does.
pub(super) fn of(change: &AttributeChange<'_>) -> Option<Noise> {
    match &change.difference {
        Difference::Reordered => Some(Noise::Reordered),
        Difference::Reformatted => Some(Noise::SameMeaning),
        Difference::Added(value) | Difference::Removed(value) if is_empty(value) => Some(Noise::ReadBack),
        _ => None,
    }
}

/// What providers write for nothing. `false` and 0 are not among it: they may mean something.
fn is_empty(value: &Value<'_>) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(object) => object.iter().all(|(_, value)| is_empty(value)),
        _ => false,
    }
}
