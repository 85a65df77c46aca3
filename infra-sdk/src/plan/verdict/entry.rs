//! What is kept of one approved change: names and actions in clear, values as digests.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::Result;
use crate::plan::diff::forcing;
use crate::plan::json::{Mark, Value, canonical_by};
use crate::plan::meaning::canonical_text;
use crate::plan::model::{Actions, Change, Mode, ResourceChange};
use crate::plan::verdict::key::{ApprovalKey, Stamp};
use crate::plan::verdict::print::{Leaf, Node, Print, Seal, member};

/// One resource with something to tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) address: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) deposed: String,
    /// Its address before, when it is moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) data: bool,
    pub(super) actions: Actions,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) provider: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) import: Option<Print>,
    /// The attributes that force a replacement.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) forced_by: BTreeSet<String>,
    /// Every attribute that has a value before or after, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) attributes: BTreeMap<String, Attribute>,
    /// Where sensitive values stand.
    #[serde(default, skip_serializing_if = "Hidden::is_empty")]
    pub(super) hidden: Hidden,
}

/// The digests of one attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Attribute {
    /// It stays as it is.
    Stays(Stamp),
    /// It changes, or is on one side alone.
    Changes {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Stamp>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Print>,
    },
}

/// The paths of sensitive marks before and after.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hidden {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) before: Vec<Vec<Step>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) after: Vec<Vec<Step>>,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Step {
    Item(usize),
    Member(String),
}

impl Hidden {
    fn is_empty(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }
}

impl Attribute {
    pub(super) fn before(&self) -> Option<Stamp> {
        match self {
            Attribute::Stays(stamp) => Some(*stamp),
            Attribute::Changes { before, .. } => *before,
        }
    }

    pub(super) fn after(&self) -> Option<Print> {
        match self {
            Attribute::Stays(stamp) => Some(Print::Leaf(Leaf::Known(*stamp))),
            Attribute::Changes { after, .. } => after.clone(),
        }
    }

    /// Whether it gets a value that is known and another one than before.
    pub(super) fn is_set(&self) -> bool {
        matches!(self, Attribute::Changes { after: Some(after), .. } if !after.is_unknown())
    }
}

/// Whether an entry takes part: data sources that leave the code are forgotten without a word.
pub(super) fn counts(resource: &ResourceChange<'_>) -> bool {
    resource.is_news() && !(resource.mode == Mode::Data && resource.change.actions.deletes())
}

impl Entry {
    /// The entry of an approved change.
    pub(super) fn of(resource: &ResourceChange<'_>, key: &ApprovalKey) -> Result<Self> {
        let seal = Seal { key, address: &resource.address };
        let values = Values::of(&resource.change)?;
        let mut attributes = BTreeMap::new();
        for name in values.names() {
            let path = member("", name);
            let (before, after) = (values.before(name), values.after(name));
            let stays = !before.is_nothing() && !after.unknown.is_any() && same(before.value, after.value);
            let stamp = (!before.is_nothing()).then(|| seal.stamp(&path, before.value));
            let attribute = match stamp {
                Some(stamp) if stays => Attribute::Stays(stamp),
                before => Attribute::Changes { before, after: seal.print(&path, after, true) },
            };
            attributes.insert(name.to_owned(), attribute);
        }
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Ok(Entry {
            address: resource.address.to_string(),
            deposed: resource.deposed().unwrap_or_default().to_owned(),
            from: owned(resource.previous_address()),
            data: resource.mode == Mode::Data,
            actions: resource.change.actions.clone(),
            reason: owned(resource.action_reason()),
            provider: owned(resource.provider_name.as_deref()),
            import: match resource.importing() {
                Some(importing) => Some(import(seal, importing.raw)?),
                None => None,
            },
            forced_by: forced_by(resource)?,
            attributes,
            hidden: Hidden { before: marks(&values.before_sensitive), after: marks(&values.after_sensitive) },
        })
    }

    /// Whether the plan knows what is there before.
    pub(super) fn has_before(&self) -> bool {
        self.attributes.values().any(|attribute| attribute.before().is_some())
    }
}

/// What is imported; its id may be unknown.
fn import(seal: Seal<'_>, raw: &RawValue) -> Result<Print> {
    let value = Value::of(raw)?;
    let unknown = is_unknown(&value);
    let node = Node { value: &value, unknown: Mark::of(&unknown), sensitive: Mark::NONE };
    Ok(seal.print("importing", node, false).unwrap_or(Print::Leaf(Leaf::Unknown)))
}

/// The mark for what an import names: whether its id is unknown.
pub(super) fn is_unknown(importing: &Value<'_>) -> Value<'static> {
    Value::Bool(importing.get("unknown").and_then(Value::as_bool) == Some(true))
}

/// The paths that force a replacement, as they are told; where all of the resource is sensitive, only that there are some.
pub(super) fn forced_by(resource: &ResourceChange<'_>) -> Result<BTreeSet<String>> {
    let mut paths: BTreeSet<String> = forcing(resource)?.into_iter().collect();
    if paths.is_empty() && !resource.replace_paths()?.is_empty() {
        paths.insert(String::new());
    }
    Ok(paths)
}

/// Whether two values mean the same.
pub(super) fn same(a: &Value<'_>, b: &Value<'_>) -> bool {
    a == b || canonical_by(a, &canonical_text) == canonical_by(b, &canonical_text)
}

/// The paths at which a mark covers everything.
fn marks(mark: &Value<'_>) -> Vec<Vec<Step>> {
    fn walk(mark: &Value<'_>, path: &mut Vec<Step>, found: &mut Vec<Vec<Step>>) {
        match mark {
            Value::Bool(true) => found.push(path.clone()),
            Value::Array(items) => {
                for (index, mark) in items.iter().enumerate() {
                    path.push(Step::Item(index));
                    walk(mark, path, found);
                    path.pop();
                }
            }
            Value::Object(object) => {
                for (key, mark) in object.iter() {
                    path.push(Step::Member(key.to_owned()));
                    walk(mark, path, found);
                    path.pop();
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(mark, &mut Vec::new(), &mut found);
    found
}

/// The values of one change, read.
pub(super) struct Values<'a> {
    before: Value<'a>,
    after: Value<'a>,
    unknown: Value<'a>,
    before_sensitive: Value<'a>,
    after_sensitive: Value<'a>,
}

impl<'a> Values<'a> {
    pub(super) fn of(change: &Change<'a>) -> Result<Self> {
        Ok(Values {
            before: Value::of_part(change.before)?,
            after: Value::of_part(change.after)?,
            unknown: Value::of_part(change.after_unknown)?,
            before_sensitive: Value::of_part(change.before_sensitive)?,
            after_sensitive: Value::of_part(change.after_sensitive)?,
        })
    }

    /// All that is there before.
    pub(super) fn all_before(&self) -> Node<'_> {
        Node { value: &self.before, unknown: Mark::NONE, sensitive: Mark::of(&self.before_sensitive) }
    }

    /// All that is there after.
    pub(super) fn all_after(&self) -> Node<'_> {
        let (unknown, sensitive) = (Mark::of(&self.unknown), Mark::of(&self.after_sensitive));
        Node { value: &self.after, unknown, sensitive }
    }

    /// The attributes that have a value on either side. What is no object counts as one attribute without a name.
    pub(super) fn names(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        for node in [self.all_before(), self.all_after()] {
            let is_object = matches!(node.value, Value::Object(_) | Value::Null);
            if !is_object || node.unknown.is_whole() {
                names.insert("");
            }
            names.extend(node.keys());
        }
        names
    }

    pub(super) fn before(&self, name: &str) -> Node<'_> {
        attribute(self.all_before(), name)
    }

    pub(super) fn after(&self, name: &str) -> Node<'_> {
        attribute(self.all_after(), name)
    }
}

fn attribute<'v>(all: Node<'v>, name: &str) -> Node<'v> {
    if name.is_empty() && all.value.as_object().is_none() { all } else { all.member(name) }
}
