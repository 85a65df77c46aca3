//! One resource of a plan: who it is, what is done to it, and its values as raw slices.

use std::fmt;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::error::Result;
use crate::plan::json::{Text, Value};
use crate::plan::model::{Actions, Severity};

/// An entry of `resource_changes` or `resource_drift`. Every instance is listed, also those nothing is done to.
///
/// Its identity is [`key`](ResourceChange::key): the same address stands there twice when an old object waits to be
/// destroyed.
#[derive(Debug)]
pub struct ResourceChange<'a> {
    /// The address, to be shown and compared and never taken apart: a key in it may hold any character.
    pub address: Text<'a>,
    /// The module it is in; none for the root module.
    pub module_address: Option<Text<'a>>,
    /// Managed, or only read.
    pub mode: Mode,
    /// The resource type, such as `aws_vpc`.
    pub kind: Text<'a>,
    /// The name in its block.
    pub name: Text<'a>,
    /// The provider, as an address such as `registry.terraform.io/hashicorp/aws`.
    pub provider_name: Option<Text<'a>>,
    /// What is done, and from what to what.
    pub change: Change<'a>,
    // Boxed, for most entries have none of it and a plan may have 100,000.
    rare: Option<Box<Rare<'a>>>,
}

#[derive(Debug, Default)]
struct Rare<'a> {
    previous_address: Option<Text<'a>>,
    deposed: Option<Text<'a>>,
    index: Option<&'a RawValue>,
    action_reason: Option<Text<'a>>,
    replace_paths: Option<&'a RawValue>,
    importing: Option<Importing<'a>>,
    generated_config: bool,
}

/// What tells two entries of one plan apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceKey<'a> {
    /// The address.
    pub address: &'a str,
    /// The key of an old object that waits to be destroyed; empty for the current one.
    pub deposed: &'a str,
}

impl<'a> ResourceChange<'a> {
    /// Its identity within the plan.
    pub fn key(&self) -> ResourceKey<'_> {
        ResourceKey { address: &self.address, deposed: self.deposed().unwrap_or_default() }
    }

    /// The key of an old object that waits to be destroyed, if this is one.
    pub fn deposed(&self) -> Option<&str> {
        self.rare.as_ref()?.deposed.as_deref()
    }

    /// Its address in the state, where that is another one: it is moved.
    pub fn previous_address(&self) -> Option<&str> {
        let previous = self.rare.as_ref()?.previous_address.as_deref()?;
        (*previous != *self.address).then_some(previous)
    }

    /// The key of `for_each` or the number of `count`, as JSON.
    pub fn index(&self) -> Option<&'a RawValue> {
        self.rare.as_ref()?.index
    }

    /// Why, in Terraform's words such as `replace_because_tainted`; an open set.
    pub fn action_reason(&self) -> Option<&str> {
        self.rare.as_ref()?.action_reason.as_deref()
    }

    /// The attributes that force a replacement, each as its steps; empty when the reason is another one.
    ///
    /// # Errors
    /// As [`Value::of`].
    pub fn replace_paths(&self) -> Result<Vec<Vec<Value<'a>>>> {
        let raw = self.rare.as_ref().and_then(|rare| rare.replace_paths);
        let Value::Array(paths) = Value::of_part(raw)? else { return Ok(Vec::new()) };
        let steps = |path| if let Value::Array(steps) = path { steps } else { vec![path] };
        Ok(paths.into_iter().map(steps).collect())
    }

    /// What is taken into the state, if it is.
    pub fn importing(&self) -> Option<Importing<'a>> {
        self.rare.as_ref()?.importing
    }

    /// Whether Terraform wrote the configuration of what is imported.
    pub fn is_config_generated(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.generated_config)
    }

    /// Whether there is something to tell: an action, a move or an import.
    pub fn is_news(&self) -> bool {
        !self.change.actions.is_no_op() || self.importing().is_some() || self.previous_address().is_some()
    }

    /// Whether two entries of one resource say the same byte for byte, which needs no tree.
    pub(in crate::plan) fn is_same_text(&self, other: &ResourceChange<'_>) -> bool {
        let same = |a: Option<&RawValue>, b: Option<&RawValue>| a.map(RawValue::get) == b.map(RawValue::get);
        let paths = self.rare.as_ref().and_then(|rare| rare.replace_paths);
        let other_paths = other.rare.as_ref().and_then(|rare| rare.replace_paths);
        self.key() == other.key()
            && self.previous_address() == other.previous_address()
            && self.action_reason() == other.action_reason()
            && self.provider_name.as_deref() == other.provider_name.as_deref()
            && self.mode == other.mode
            && same(paths, other_paths)
            && same(self.importing().map(|it| it.raw), other.importing().map(|it| it.raw))
            && self.change.is_same_text(&other.change)
    }

    /// How much it can hurt.
    pub fn severity(&self) -> Severity {
        match self.change.actions.severity() {
            Severity::Nothing | Severity::Read if self.is_news() && self.change.actions.is_no_op() => {
                Severity::ImportOrMove
            }
            severity => severity,
        }
    }
}

/// Whether Terraform manages a resource or only reads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Made, changed and destroyed by Terraform.
    #[default]
    Managed,
    /// A data source.
    Data,
}

/// What is done, and the values before and after: raw slices of the file, for [`Value::of`] to read.
#[derive(Debug)]
pub struct Change<'a> {
    /// What is done.
    pub actions: Actions,
    /// The values now; `null` or missing for what is made.
    pub before: Option<&'a RawValue>,
    /// The values as far as they are known; `null` or missing for what is destroyed.
    pub after: Option<&'a RawValue>,
    /// Which values are known only after the apply; the values themselves are missing from `after`.
    pub after_unknown: Option<&'a RawValue>,
    /// Which values of `before` are sensitive.
    pub before_sensitive: Option<&'a RawValue>,
    /// Which values of `after` are sensitive.
    pub after_sensitive: Option<&'a RawValue>,
}

impl Change<'_> {
    /// Whether two say the same byte for byte, which needs no tree.
    pub(in crate::plan) fn is_same_text(&self, other: &Change<'_>) -> bool {
        let same = |a: Option<&RawValue>, b: Option<&RawValue>| a.map(RawValue::get) == b.map(RawValue::get);
        self.actions == other.actions
            && same(self.before, other.before)
            && same(self.after, other.after)
            && same(self.after_unknown, other.after_unknown)
            && same(self.before_sensitive, other.before_sensitive)
            && same(self.after_sensitive, other.after_sensitive)
    }
}

/// What is imported: by id, or by the attributes of its identity.
#[derive(Clone, Copy)]
pub struct Importing<'a> {
    /// The slice of the plan: an object with `id`, `identity` or, while it is unknown, `unknown`.
    pub raw: &'a RawValue,
}

impl<'a> Importing<'a> {
    /// The id, where it is imported by one.
    pub fn id(&self) -> Option<String> {
        Value::of(self.raw).ok()?.get("id")?.as_str().map(str::to_owned)
    }
}

impl fmt::Debug for Importing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("importing")
    }
}

#[derive(Deserialize)]
struct WireResource<'a> {
    #[serde(borrow, default)]
    address: Text<'a>,
    #[serde(borrow)]
    previous_address: Option<Text<'a>>,
    #[serde(borrow)]
    module_address: Option<Text<'a>>,
    #[serde(borrow)]
    mode: Option<Text<'a>>,
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow)]
    index: Option<&'a RawValue>,
    #[serde(borrow)]
    provider_name: Option<Text<'a>>,
    #[serde(borrow)]
    deposed: Option<Text<'a>>,
    #[serde(borrow)]
    action_reason: Option<Text<'a>>,
    #[serde(borrow)]
    change: WireChange<'a>,
}

#[derive(Deserialize)]
pub(super) struct WireChange<'a> {
    pub(super) actions: Actions,
    #[serde(borrow)]
    pub(super) before: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) after: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) after_unknown: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) before_sensitive: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) after_sensitive: Option<&'a RawValue>,
    #[serde(borrow)]
    replace_paths: Option<&'a RawValue>,
    #[serde(borrow)]
    importing: Option<&'a RawValue>,
    generated_config: Option<IgnoredAny>,
}

impl<'a> WireChange<'a> {
    pub(super) fn into_change(self) -> Change<'a> {
        Change {
            actions: self.actions,
            before: self.before,
            after: self.after,
            after_unknown: self.after_unknown,
            before_sensitive: self.before_sensitive,
            after_sensitive: self.after_sensitive,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for ResourceChange<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = WireResource::deserialize(deserializer)?;
        let rare = Rare {
            previous_address: wire.previous_address,
            deposed: wire.deposed.filter(|deposed| !deposed.is_empty()),
            index: wire.index,
            action_reason: wire.action_reason.filter(|reason| !reason.is_empty()),
            replace_paths: wire.change.replace_paths,
            importing: wire.change.importing.map(|raw| Importing { raw }),
            generated_config: wire.change.generated_config.is_some(),
        };
        let is_bare = rare.previous_address.is_none()
            && rare.deposed.is_none()
            && rare.index.is_none()
            && rare.action_reason.is_none()
            && rare.replace_paths.is_none()
            && rare.importing.is_none()
            && !rare.generated_config;
        Ok(ResourceChange {
            address: wire.address,
            module_address: wire.module_address.filter(|module| !module.is_empty()),
            mode: if wire.mode.as_deref() == Some("data") { Mode::Data } else { Mode::Managed },
            kind: wire.kind,
            name: wire.name,
            provider_name: wire.provider_name,
            change: wire.change.into_change(),
            rare: (!is_bare).then(|| Box::new(rare)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_small_for_there_are_a_hundred_thousand() {
        assert!(size_of::<ResourceChange<'_>>() <= 240, "{}", size_of::<ResourceChange<'_>>());
    }
}
