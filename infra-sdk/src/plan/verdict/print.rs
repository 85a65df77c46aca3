//! What is kept of a value: its digest, and where parts of it are unknown, one for each known part.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::plan::diff::push_key;
use crate::plan::json::{Mark, Value};
use crate::plan::verdict::key::{ApprovalKey, Stamp};

/// Deeper, a changed value has one digest for all of it.
const DEEP: usize = 8;
/// Deeper, a value that is partly unknown is not looked into; a reader of JSON stops at 128 levels, and each takes two.
const DEEPEST: usize = 48;
/// A changed value with more parts has one digest for all of it, so that an approval stays small.
const PARTS: usize = 64;

/// What a value leaves behind. Names of members stand in clear where they are not below a sensitive mark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Print {
    /// One thing.
    Leaf(Leaf),
    /// An object, member by member.
    Members { members: BTreeMap<String, Print> },
    /// A list, item by item.
    Items { items: Vec<Print> },
    /// A sensitive object that is partly unknown: even its keys are hidden.
    Hidden { hidden: BTreeMap<Stamp, Print> },
}

/// A value without anything of interest below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaf {
    /// It becomes known by the apply.
    Unknown,
    /// It is partly unknown and too deep to be told apart: never the same as anything.
    Opaque,
    /// It is known, all of it.
    Known(Stamp),
}

/// Where digests are made: they depend on the key and the resource.
#[derive(Clone, Copy)]
pub(super) struct Seal<'k> {
    pub(super) key: &'k ApprovalKey,
    /// The resource as the approved plan calls it.
    pub(super) address: &'k str,
}

/// A value with the marks that belong to it.
#[derive(Clone, Copy)]
pub(super) struct Node<'v> {
    pub(super) value: &'v Value<'v>,
    pub(super) unknown: Mark<'v>,
    pub(super) sensitive: Mark<'v>,
}

impl<'v> Node<'v> {
    /// The member `key`; what is not there is `null`.
    pub(super) fn member(self, key: &str) -> Node<'v> {
        let value = self.value.get(key).unwrap_or(&Value::Null);
        Node { value, unknown: self.unknown.key(key), sensitive: self.sensitive.key(key) }
    }

    pub(super) fn item(self, index: usize) -> Node<'v> {
        let value = self.value.as_array().and_then(|items| items.get(index)).unwrap_or(&Value::Null);
        Node { value, unknown: self.unknown.index(index), sensitive: self.sensitive.index(index) }
    }

    /// The members that have a value or will have one.
    pub(super) fn keys(self) -> BTreeSet<&'v str> {
        let known = self.value.as_object().into_iter().flat_map(|object| object.iter());
        let known = known.filter(|(_, value)| !value.is_null()).map(|(key, _)| key);
        known.chain(self.unknown.keys().filter(|key| self.unknown.key(key).is_any())).collect()
    }

    /// Whether nothing is known of it: it is unknown, or a list that is not there yet.
    fn is_unknown(self) -> bool {
        let is_unknown_list = || self.value.is_null() && self.unknown.is_any() && self.keys().is_empty();
        self.unknown.is_whole() || is_unknown_list()
    }

    /// Whether there is nothing, now and after the apply.
    pub(super) fn is_nothing(self) -> bool {
        self.value.is_null() && !self.unknown.is_any()
    }
}

impl Seal<'_> {
    pub(super) fn stamp(self, path: &str, value: &Value<'_>) -> Stamp {
        self.key.stamp(self.address, path, value)
    }

    /// The print of a value; `None` for nothing. With `is_deep` a small one has a digest for each of its parts, so that a
    /// difference can be named.
    pub(super) fn print(self, path: &str, node: Node<'_>, is_deep: bool) -> Option<Print> {
        if node.is_nothing() {
            return None;
        }
        Some(self.below(path, node, is_deep && count(node.value, PARTS + 1) <= PARTS, 0))
    }

    fn below(self, path: &str, node: Node<'_>, is_deep: bool, level: usize) -> Print {
        let is_partly = node.unknown.is_any();
        if node.unknown.is_whole() {
            return Print::Leaf(Leaf::Unknown);
        }
        let is_open = is_deep && level < DEEP && !node.sensitive.is_whole() && node.value.is_container();
        if !is_partly && !is_open {
            return Print::Leaf(Leaf::Known(self.stamp(path, node.value)));
        }
        if level >= DEEPEST {
            return Print::Leaf(Leaf::Opaque);
        }
        match node.value {
            Value::Array(items) => {
                // With an unknown member nobody knows at which place of a set the others come to stand. So each of them
                // has one digest, of all of it, that does not depend on the place.
                let is_open = (0..items.len()).any(|index| node.item(index).is_unknown());
                let of = |index| {
                    let path = if is_open { any_item(path) } else { item(path, index) };
                    self.below(&path, node.item(index), is_deep && !is_open, level + 1)
                };
                Print::Items { items: (0..items.len()).map(of).collect() }
            }
            Value::Object(_) | Value::Null if !node.keys().is_empty() => {
                let of = |key: &str| self.below(&member(path, key), node.member(key), is_deep, level + 1);
                let keys = node.keys().into_iter();
                if node.sensitive.is_whole() {
                    let hide = |key: &str| self.key.hide(self.address, path, key);
                    Print::Hidden { hidden: keys.map(|key| (hide(key), of(key))).collect() }
                } else {
                    Print::Members { members: keys.map(|key| (key.to_owned(), of(key))).collect() }
                }
            }
            // A list that is not there yet.
            Value::Null => Print::Leaf(Leaf::Unknown),
            // The marks belong to another value.
            _ => Print::Leaf(Leaf::Opaque),
        }
    }
}

/// The path of a member.
pub(super) fn member(path: &str, key: &str) -> String {
    let mut path = path.to_owned();
    push_key(&mut path, key);
    path
}

/// The path of an item.
pub(super) fn item(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

/// The path of every item of a list that has unknown ones.
pub(super) fn any_item(path: &str) -> String {
    format!("{path}[]")
}

/// How many parts a value has, counted no further than `most`.
fn count(value: &Value<'_>, most: usize) -> usize {
    let sum = |values: &mut dyn Iterator<Item = &Value<'_>>| {
        let mut parts = 0;
        for value in values {
            if parts >= most {
                break;
            }
            parts += count(value, most - parts);
        }
        parts.max(1)
    };
    match value {
        Value::Array(items) => sum(&mut items.iter()),
        Value::Object(object) => sum(&mut object.iter().map(|(_, value)| value)),
        _ => 1,
    }
}

impl Print {
    /// Whether all of it is unknown.
    pub(super) fn is_unknown(&self) -> bool {
        *self == Print::Leaf(Leaf::Unknown)
    }

    /// Whether any part of it is known.
    pub(super) fn is_known_somewhere(&self) -> bool {
        match self {
            Print::Leaf(leaf) => *leaf != Leaf::Unknown,
            Print::Members { members } => members.values().any(Print::is_known_somewhere),
            Print::Items { items } => items.iter().any(Print::is_known_somewhere),
            Print::Hidden { hidden } => hidden.values().any(Print::is_known_somewhere),
        }
    }
}

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Leaf::Unknown => f.write_str("?"),
            Leaf::Opaque => f.write_str("!"),
            Leaf::Known(stamp) => stamp.fmt(f),
        }
    }
}

impl Serialize for Leaf {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Leaf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "?" => Ok(Leaf::Unknown),
            "!" => Ok(Leaf::Opaque),
            text => {
                Stamp::of_text(text).map(Leaf::Known).ok_or_else(|| de::Error::custom("this is no digest"))
            }
        }
    }
}
