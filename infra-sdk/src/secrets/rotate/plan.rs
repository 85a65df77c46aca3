//! What a rotation does next, derived from the store, the values given over it, and the targets.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::config::{Generate, SecretSpec, Shared};
use crate::error::{Error, ErrorKind, Result};
use crate::names::{SecretName, unknown};
use crate::secret::SecretValue;
use crate::secrets::rotate::previous_of;
use crate::secrets::spec::Needs;
use crate::secrets::status::TargetState;
use crate::secrets::values::{IgnoreReason, ValueOrigin, Values};

/// What a rotation does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RotationStep {
    /// A new value is put in the place of the old one, which is kept beside it.
    Begin,
    /// A rotation is under way, and targets are left that lack a value; nothing changes in the store.
    Continue,
    /// The old value is dropped.
    Finish,
    /// A rotation is under way, and every target has both values; it waits to be finished.
    Nothing,
}

/// All that a rotation depends on.
#[derive(Clone, Copy, Debug)]
pub struct RotationState<'a> {
    /// What the store holds.
    pub stored: &'a BTreeMap<SecretName, SecretValue>,
    /// The values as a sync would give them out.
    pub values: &'a Values,
    /// What the targets are known to hold; those that are not to be looked at are left out.
    pub targets: &'a [TargetState],
}

/// What a rotation will do; holds names, never a value that `Debug` shows.
#[derive(Clone, Debug, Serialize)]
pub struct RotationPlan {
    /// The secret.
    pub name: SecretName,
    /// The name of its old value.
    pub previous: SecretName,
    /// What is done next.
    pub step: RotationStep,
    /// The targets a sync has to write to before or after this step, by label.
    pub left: Vec<String>,
    #[serde(skip)]
    pub(super) generate: Option<Generate>,
    /// The value that is replaced, while there is one to keep or drop.
    #[serde(skip)]
    pub(super) old: Option<SecretValue>,
}

/// Looks at what a rotation of `name` does next; with `finish`, at how it ends.
///
/// Call it under the lock that all who write to the store take, and apply it under the same lock.
///
/// # Errors
/// - `NotFound` when infra.toml does not declare the secret for this environment, when it has no value yet, or when there
///   is nothing to finish;
/// - `Denied` when the organisation owns it;
/// - `Conflict` when `.env` or the environment would undo the rotation, or targets still lack the new value at the end;
/// - `Invalid` as [`previous_of`].
pub fn plan_rotation(
    needs: &Needs,
    name: &SecretName,
    state: RotationState<'_>,
    finish: bool,
) -> Result<RotationPlan> {
    let spec = rotatable(needs, name)?;
    let previous = previous_of(needs, name)?;
    let stored = |name: &SecretName| state.stored.get(name).filter(|value| !value.is_empty());
    let Some(current) = stored(name) else {
        return Err(Error::not_found("a secret without a value cannot be rotated")
            .with("secret", name)
            .hint("run `cargo xtask infra:secrets:setup` to give it one"));
    };
    let old = stored(&previous);
    // Equal values are what a run leaves that was killed after it kept the old value: nothing was replaced yet.
    let begun = old.is_some_and(|old| old != current);
    let plan = |step, left, old: Option<&SecretValue>| RotationPlan {
        name: name.clone(),
        previous: previous.clone(),
        step,
        left,
        generate: spec.generate,
        old: old.cloned(),
    };
    if finish {
        if old.is_some() && !begun {
            return Err(Error::new(
                ErrorKind::Conflict,
                "the rotation was interrupted before the new value was made",
            )
            .with("secret", name)
            .hint(format!("run `cargo xtask infra:secrets:rotate {name}` again, and finish it later")));
        }
        if begun {
            refuse_old_value_elsewhere(name, state.values)?;
            refuse_targets_behind(name, &missing_at(state.targets, &[name]))?;
        } else if still_at(state.targets, &previous).is_empty() {
            return Err(Error::not_found("no rotation of this secret is under way")
                .with("secret", name)
                .hint(format!("begin one with `cargo xtask infra:secrets:rotate {name}`")));
        }
        return Ok(plan(RotationStep::Finish, still_at(state.targets, &previous), old));
    }
    refuse_other_value_elsewhere(name, current, state.values)?;
    if !begun {
        let all = state.targets.iter().filter(|target| target.secrets.contains_key(name));
        return Ok(plan(
            RotationStep::Begin,
            all.map(|target| target.label.clone()).collect(),
            Some(current),
        ));
    }
    let left = missing_at(state.targets, &[name, &previous]);
    let step = if left.is_empty() { RotationStep::Nothing } else { RotationStep::Continue };
    Ok(plan(step, left, None))
}

impl RotationPlan {
    /// Whether [`apply`](RotationPlan::apply) takes a new value: the step is `Begin`. Without one it generates it, if
    /// infra.toml says how.
    pub fn takes_value(&self) -> bool {
        self.step == RotationStep::Begin
    }

    /// Whether a new value must be supplied: there is no other way to get one.
    pub fn needs_value(&self) -> bool {
        self.takes_value() && self.generate.is_none()
    }
}

impl fmt::Display for RotationPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, previous, .. } = self;
        match self.step {
            RotationStep::Begin => write!(f, "{name}: a new value, and the old one as {previous}")?,
            RotationStep::Continue => write!(f, "{name}: the rotation goes on with the value it has")?,
            RotationStep::Finish => write!(f, "{name}: {previous} is dropped")?,
            RotationStep::Nothing => {
                write!(f, "{name}: every target has both values; finish when no program needs {previous}")?
            }
        }
        self.left.iter().try_for_each(|target| write!(f, "\n  to write: {target}"))
    }
}

fn rotatable<'a>(needs: &'a Needs, name: &SecretName) -> Result<&'a SecretSpec> {
    let Some(spec) = needs.get(name) else {
        if needs.declares(name) {
            return Err(Error::not_found("this environment does not need the secret")
                .with("secret", name)
                .hint("choose one of its environments with `--env`"));
        }
        let known = needs.iter().map(|(name, _)| name.as_str());
        return Err(unknown("secret", name.as_str(), known, &format!("declare it as `[secrets.{name}]`")));
    };
    if spec.shared == Some(Shared::Org) {
        return Err(Error::new(
            ErrorKind::Denied,
            "the organisation owns this secret: a product cannot write it",
        )
        .with("secret", name)
        .hint("rotate it in the repo that `extends` names, tag that, and raise `extends.tag` here"));
    }
    Ok(spec)
}

/// The targets that take one of `names` and are not known to have it.
fn missing_at(targets: &[TargetState], names: &[&SecretName]) -> Vec<String> {
    let lacks = |target: &&TargetState| {
        // A target that takes the secret takes its old value, too.
        target.secrets.contains_key(names[0]) && names.iter().any(|name| !target.has(name))
    };
    targets.iter().filter(lacks).map(|target| target.label.clone()).collect()
}

/// The targets that hold a name, or may.
fn still_at(targets: &[TargetState], name: &SecretName) -> Vec<String> {
    targets.iter().filter(|target| target.may_hold(name)).map(|target| target.label.clone()).collect()
}

/// `.env` wins over the store: another value there would be synced in the place of the new one.
fn refuse_other_value_elsewhere(name: &SecretName, stored: &SecretValue, values: &Values) -> Result<()> {
    match values.origin(name) {
        Some(origin @ (ValueOrigin::Environment | ValueOrigin::Dotenv { .. }))
            if values.get(name) != Some(stored) =>
        {
            Err(Error::new(ErrorKind::Conflict, "another value than the store's is in use")
                .with("secret", name)
                .with("found in", origin)
                .hint("remove it there, or run `cargo xtask infra:secrets:setup` to store it; then rotate again"))
        }
        _ => Ok(()),
    }
}

/// The old value would come back as soon as nothing says any more that it is old.
fn refuse_old_value_elsewhere(name: &SecretName, values: &Values) -> Result<()> {
    let is_old = |reason| reason == IgnoreReason::BeforeRotation;
    match values.ignored().iter().find(|ignored| ignored.name == *name && is_old(ignored.reason)) {
        None => Ok(()),
        Some(ignored) => {
            Err(Error::new(ErrorKind::Conflict, "the old value would be used again after the rotation")
                .with("secret", name)
                .with("found in", &ignored.origin)
                .hint("remove it there, then finish the rotation"))
        }
    }
}

fn refuse_targets_behind(name: &SecretName, behind: &[String]) -> Result<()> {
    if behind.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Conflict, "not every target has the new value yet")
        .with("secret", name)
        .with("left", behind.join(", "))
        .hint(format!("run `cargo xtask infra:secrets:rotate {name}` to write it there, then finish"))
        .hint("where it was changed elsewhere, run `cargo xtask infra:secrets:sync --repair` first"))
}
