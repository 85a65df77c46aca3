//! Exported values that a plan keeps as `aws_ssm_parameter`.

use crate::error::Result;
use crate::plan::impact::Effect;
use crate::plan::impact::effect::Effects;
use crate::plan::json::{Mark, Value};
use crate::plan::model::{Actions, Mode, Plan, ResourceChange};

/// Where the provider keeps the value; a write-only one only tells its version.
const VALUES: [&str; 3] = ["value", "insecure_value", "value_wo_version"];

/// Adds what the plan does to parameters of AWS Systems Manager.
pub(super) fn add(plan: &Plan<'_>, effects: &mut Effects) -> Result<()> {
    let parameters = plan
        .resource_changes
        .iter()
        .filter(|resource| resource.mode == Mode::Managed && &*resource.kind == "aws_ssm_parameter");
    for resource in parameters {
        match resource.change.actions {
            // One that is forgotten stays as it is.
            Actions::NoOp | Actions::Read | Actions::Forget => {}
            _ => one(resource, effects)?,
        }
    }
    Ok(())
}

fn one(resource: &ResourceChange<'_>, effects: &mut Effects) -> Result<()> {
    let change = &resource.change;
    let (before, after) = (Value::of_part(change.before)?, Value::of_part(change.after)?);
    let (unknown, hidden) = (Value::of_part(change.after_unknown)?, Value::of_part(change.after_sensitive)?);
    let (unknown, hidden) = (Mark::of(&unknown), Mark::of(&hidden));
    let hidden_before = Value::of_part(change.before_sensitive)?;
    let old = name(&before, Mark::NONE, Mark::of(&hidden_before));
    let new = match change.actions {
        Actions::Delete => Name::None,
        _ => name(&after, unknown, hidden),
    };
    let source = resource.address.to_string();
    let mut add = |path: String, effect| effects.add(path, effect, false, source.clone());
    match (old, new) {
        (Name::Is(old), Name::Is(new)) if old == new => {
            if let Some(effect) = difference(&change.actions, &before, &after, unknown) {
                add(old, effect);
            }
        }
        (Name::Is(old), Name::Is(new)) => {
            add(old, Effect::Renamed { to: new.clone() });
            add(new, Effect::Added);
        }
        (Name::Is(old), Name::None) => add(old, Effect::Removed),
        (Name::Is(old), Name::Hidden) => add(old, Effect::Unknown),
        (Name::None, Name::Is(new)) => add(new, Effect::Added),
        (Name::Hidden, Name::Is(new)) => {
            add(new, Effect::Added);
            effects.unnamed.push(source);
        }
        (Name::Hidden | Name::None, Name::Hidden | Name::None) => effects.unnamed.push(source),
    }
    Ok(())
}

enum Name {
    Is(String),
    /// Known only after the apply, or marked as sensitive.
    Hidden,
    None,
}

fn name(values: &Value<'_>, unknown: Mark<'_>, sensitive: Mark<'_>) -> Name {
    if unknown.key("name").is_any() || sensitive.key("name").is_any() {
        return Name::Hidden;
    }
    match values.get("name") {
        Some(Value::String(name)) => Name::Is(name.to_string()),
        Some(Value::Null) | None => Name::None,
        Some(_) => Name::Hidden,
    }
}

/// What becomes of a parameter that keeps its name; none when its readers notice nothing.
fn difference(actions: &Actions, before: &Value<'_>, after: &Value<'_>, unknown: Mark<'_>) -> Option<Effect> {
    let of = |values: &Value<'_>, key: &str| {
        values.get(key).filter(|value| !value.is_null()).map(ToString::to_string)
    };
    if !unknown.key("type").is_any() && of(before, "type") != of(after, "type") {
        return Some(Effect::Retyped);
    }
    let known = |key: &&&str| !unknown.key(key).is_any();
    if VALUES.iter().filter(known).any(|key| of(before, key) != of(after, key)) {
        return Some(Effect::Changed);
    }
    if unknown.key("type").is_any() || VALUES.iter().any(|key| unknown.key(key).is_any()) {
        return Some(Effect::Unknown);
    }
    actions.replaces().then_some(Effect::Recreated)
}
