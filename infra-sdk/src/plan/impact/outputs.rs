//! Exported values that are the outputs of a stack.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

use crate::config::Export;
use crate::error::Result;
use crate::names::{Label, ParamPath};
use crate::plan::impact::Effect;
use crate::plan::impact::effect::Effects;
use crate::plan::json::{Mark, Value};
use crate::plan::model::{Actions, OutputChange, Plan};

/// Adds what the plan does to the outputs that are published at the paths of `exports` that `stack` fills: `vpc_id` is
/// published as `vpc-id`, and what is in objects and lists has a level of its own below.
pub(super) fn add(
    plan: &Plan<'_>,
    exports: &BTreeMap<ParamPath, Export>,
    stack: &Label,
    effects: &mut Effects,
) -> Result<()> {
    let roots: Vec<&ParamPath> =
        exports.iter().filter(|(_, export)| export.stack == *stack).map(|(path, _)| path).collect();
    if roots.is_empty() {
        return Ok(());
    }
    for output in &plan.output_changes {
        for root in &roots {
            one(output, root, effects)?;
        }
    }
    Ok(())
}

fn one(output: &OutputChange<'_>, root: &ParamPath, effects: &mut Effects) -> Result<()> {
    let change = &output.change;
    // A name that can not be published is said of the tree it would have been in.
    let (path, whole) = match root.join(&output.name.replace('_', "-")) {
        Ok(path) => (path, false),
        Err(_) => ((*root).clone(), true),
    };
    let mut walk = Walk { effects, source: format!("output {}", output.name) };
    let before = Value::of_part(change.before)?;
    let after = if change.actions == Actions::Delete { Value::Null } else { Value::of_part(change.after)? };
    let unknown = Value::of_part(change.after_unknown)?;
    let unknown = Mark::of(&unknown);
    if whole {
        if before != after || unknown.is_any() {
            walk.add(&path, Effect::Changed, true);
        }
        return Ok(());
    }
    if !before.is_null()
        && !after.is_null()
        && secret(change.before_sensitive) != secret(change.after_sensitive)
    {
        // Published as a secret or no longer: every parameter below changes its kind.
        walk.add(&path, Effect::Retyped, true);
        return Ok(());
    }
    walk.differ(&path, &before, &after, unknown);
    Ok(())
}

fn secret(mark: Option<&RawValue>) -> bool {
    mark.is_some_and(|mark| mark.get() == "true")
}

struct Walk<'e> {
    effects: &'e mut Effects,
    source: String,
}

impl Walk<'_> {
    fn add(&mut self, path: &ParamPath, effect: Effect, below: bool) {
        self.effects.add(path.to_string(), effect, below, self.source.clone());
    }

    /// Notes the parameters that differ. A path has at most 15 levels, so this ends.
    fn differ(&mut self, path: &ParamPath, before: &Value<'_>, after: &Value<'_>, unknown: Mark<'_>) {
        if unknown.is_whole() {
            let effect = if before.is_null() { Effect::Added } else { Effect::Unknown };
            return self.add(path, effect, true);
        }
        match (before, after) {
            (Value::Object(old), Value::Object(new)) => {
                let keys: BTreeSet<&str> = old
                    .iter()
                    .map(|(key, _)| key)
                    .chain(new.iter().map(|(key, _)| key))
                    .chain(unknown.keys())
                    .collect();
                for key in keys {
                    let (old, new) =
                        (old.get(key).unwrap_or(&Value::Null), new.get(key).unwrap_or(&Value::Null));
                    self.below(path, key, old, new, unknown.key(key));
                }
            }
            (Value::Array(old), Value::Array(new)) if !is_one(old) && !is_one(new) => {
                for at in 0..old.len().max(new.len()) {
                    let (old, new) =
                        (old.get(at).unwrap_or(&Value::Null), new.get(at).unwrap_or(&Value::Null));
                    self.below(path, &at.to_string(), old, new, unknown.index(at));
                }
            }
            _ if unknown.is_any() => {
                let effect = if before.is_null() { Effect::Added } else { Effect::Unknown };
                self.add(path, effect, true);
            }
            (Value::Null, Value::Null) => {}
            (Value::Null, _) => self.add(path, Effect::Added, true),
            (_, Value::Null) => self.add(path, Effect::Removed, true),
            _ if text(before) == text(after) => {}
            _ => {
                let below = before.is_container() || after.is_container();
                self.add(path, Effect::Changed, below);
            }
        }
    }

    fn below(
        &mut self,
        path: &ParamPath,
        level: &str,
        before: &Value<'_>,
        after: &Value<'_>,
        unknown: Mark<'_>,
    ) {
        match path.join(level) {
            Ok(path) if !level.contains('/') => self.differ(&path, before, after, unknown),
            // It can not be published under its name; that something happens here is still told.
            _ if before != after || unknown.is_any() => self.add(path, Effect::Changed, true),
            _ => {}
        }
    }
}

/// Whether a list is one parameter: plain values only, or nothing.
fn is_one(items: &[Value<'_>]) -> bool {
    items.iter().all(|item| !matches!(item, Value::Array(_) | Value::Object(_)))
}

/// As it is published: 1 and "1" are the same text.
fn text(value: &Value<'_>) -> String {
    match value {
        Value::String(text) => text.to_string(),
        Value::Array(items) if is_one(items) => items.iter().map(text).collect::<Vec<_>>().join("\n"),
        other => other.to_string(),
    }
}
