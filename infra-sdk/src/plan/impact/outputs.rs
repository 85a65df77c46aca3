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
    let sensitive = [Value::of_part(change.before_sensitive)?, Value::of_part(change.after_sensitive)?];
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
    let [was, is] = &sensitive;
    let [before, after] =
        [Side { value: &before, sensitive: Mark::of(was) }, Side { value: &after, sensitive: Mark::of(is) }];
    walk.differ(&path, before, after, unknown);
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
    fn differ(&mut self, path: &ParamPath, before: Side<'_>, after: Side<'_>, unknown: Mark<'_>) {
        let (old, new) = (before.value, after.value);
        // Keys below a sensitive mark are a part of the secret.
        let is_secret = before.is_secret() || after.is_secret();
        if unknown.is_whole() || (is_secret && unknown.is_any()) {
            let effect = if old.is_null() { Effect::Added } else { Effect::Unknown };
            return self.add(path, effect, true);
        }
        match (old, new) {
            (Value::Object(old), Value::Object(new)) if !is_secret => {
                let keys: BTreeSet<&str> = old
                    .iter()
                    .map(|(key, _)| key)
                    .chain(new.iter().map(|(key, _)| key))
                    .chain(unknown.keys())
                    .collect();
                for key in keys {
                    self.below(path, key, before.key(key), after.key(key), unknown.key(key));
                }
            }
            (Value::Array(old), Value::Array(new)) if !is_secret && !is_one(old) && !is_one(new) => {
                for at in 0..old.len().max(new.len()) {
                    self.below(path, &at.to_string(), before.index(at), after.index(at), unknown.index(at));
                }
            }
            _ if unknown.is_any() => {
                let effect = if old.is_null() { Effect::Added } else { Effect::Unknown };
                self.add(path, effect, true);
            }
            (Value::Null, Value::Null) => {}
            (Value::Null, _) => self.add(path, Effect::Added, true),
            (_, Value::Null) => self.add(path, Effect::Removed, true),
            _ if text(old) == text(new) => {}
            _ => {
                let below = old.is_container() || new.is_container();
                self.add(path, Effect::Changed, below);
            }
        }
    }

    fn below(&mut self, path: &ParamPath, level: &str, before: Side<'_>, after: Side<'_>, unknown: Mark<'_>) {
        match path.join(level) {
            Ok(path) if !level.contains('/') => self.differ(&path, before, after, unknown),
            // It can not be published under its name; that something happens here is still told.
            _ if before.value != after.value || unknown.is_any() => self.add(path, Effect::Changed, true),
            _ => {}
        }
    }
}

/// A value before or after, and what of it is sensitive.
#[derive(Clone, Copy)]
struct Side<'v> {
    value: &'v Value<'v>,
    sensitive: Mark<'v>,
}

impl<'v> Side<'v> {
    fn is_secret(self) -> bool {
        // A mark of another shape than its value would hide nothing.
        self.sensitive.is_whole() || !self.sensitive.fits(self.value)
    }

    fn key(self, key: &str) -> Self {
        Side { value: self.value.get(key).unwrap_or(&Value::Null), sensitive: self.sensitive.key(key) }
    }

    fn index(self, at: usize) -> Self {
        let item = self.value.as_array().and_then(|items| items.get(at));
        Side { value: item.unwrap_or(&Value::Null), sensitive: self.sensitive.index(at) }
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
