//! A tree of JSON that borrows its text.

use std::borrow::Cow;
use std::fmt;

use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::plan::json::Number;
use crate::plan::json::reader::Reader;

/// A JSON value. Equality is that of meaning: numbers by value, objects whatever the order of their keys.
///
/// ```
/// use infra_sdk::plan::Value;
/// let value = Value::parse(r#"{"tags": {"team": "shop"}, "size": 8}"#)?;
/// assert_eq!(value.get("tags").and_then(|tags| tags.get("team")).and_then(Value::as_str), Some("shop"));
/// # Ok::<(), infra_sdk::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as it was written.
    Number(Number<'a>),
    /// A text, its escapes resolved.
    String(Cow<'a, str>),
    /// A list; Terraform writes sets as lists, too.
    Array(Vec<Value<'a>>),
    /// An object.
    Object(Object<'a>),
}

impl<'a> Value<'a> {
    /// Reads a whole text. Values nest at most 256 levels deep.
    ///
    /// # Errors
    /// `Invalid` when it is not JSON, nests deeper, or an object has a key twice.
    pub fn parse(text: &'a str) -> Result<Self> {
        let raw: &RawValue = serde_json::from_str(text).map_err(|error| {
            // Its words name places, never content.
            Error::invalid("read a JSON text")
                .because(error.to_string())
                .hint("check where the text comes from")
        })?;
        Self::of(raw)
    }

    /// The tree of a slice that was checked when the file was read.
    ///
    /// # Errors
    /// `Invalid` when it nests deeper than 256 levels, or an object has a key twice.
    pub fn of(raw: &'a RawValue) -> Result<Self> {
        Reader::new(raw.get()).value()
    }

    /// The tree of a part of a plan that may be missing, which means the same as `null`.
    ///
    /// # Errors
    /// As [`of`](Value::of).
    pub fn of_part(raw: Option<&'a RawValue>) -> Result<Self> {
        raw.map_or(Ok(Value::Null), Self::of)
    }

    /// The member of an object.
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.as_object().and_then(|object| object.get(key))
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The switch, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The items, if it is a list.
    pub fn as_array(&self) -> Option<&[Value<'a>]> {
        match self {
            Value::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The object, if it is one.
    pub fn as_object(&self) -> Option<&Object<'a>> {
        match self {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }

    /// A copy that borrows from nothing.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Value::Null => Value::Null,
            Value::Bool(value) => Value::Bool(value),
            Value::Number(number) => Value::Number(number.into_owned()),
            Value::String(text) => Value::String(Cow::Owned(text.into_owned())),
            Value::Array(items) => Value::Array(items.into_iter().map(Value::into_owned).collect()),
            Value::Object(object) => {
                let owned = |(key, value): (Cow<'a, str>, Value<'a>)| {
                    (Cow::Owned(key.into_owned()), value.into_owned())
                };
                Value::Object(Object(object.0.into_iter().map(owned).collect()))
            }
        }
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// Whether it is a list or an object with something in it.
    pub fn is_container(&self) -> bool {
        match self {
            Value::Array(items) => !items.is_empty(),
            Value::Object(object) => !object.is_empty(),
            _ => false,
        }
    }
}

/// As compact JSON. It holds whatever the plan holds: mask it before anybody sees it.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Number(number) => write!(f, "{}", number.as_str()),
            Value::String(text) => f.write_str(&quoted(text)),
            Value::Array(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if index == 0 { "" } else { "," })?;
                }
                f.write_str("]")
            }
            Value::Object(object) => {
                f.write_str("{")?;
                for (index, (key, value)) in object.iter().enumerate() {
                    write!(f, "{}{}:{value}", if index == 0 { "" } else { "," }, quoted(key))?;
                }
                f.write_str("}")
            }
        }
    }
}

/// A text in quotes, escaped as JSON.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Tells the shape alone: values may be secret.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        })
    }
}

/// The members of an object, sorted by key; no key stands in it twice.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Object<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

impl<'a> Object<'a> {
    /// Sorts the members; `Err` when a key stands there twice.
    pub(super) fn new(mut members: Vec<(Cow<'a, str>, Value<'a>)>) -> std::result::Result<Self, ()> {
        if !members.is_sorted_by(|a, b| a.0 < b.0) {
            members.sort_by(|a, b| a.0.cmp(&b.0));
            if members.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                return Err(());
            }
        }
        Ok(Object(members))
    }

    /// The member named `key`.
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        let found = self.0.binary_search_by(|(name, _)| name.as_ref().cmp(key)).ok()?;
        Some(&self.0[found].1)
    }

    /// The members in the order of their keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value<'a>)> {
        self.0.iter().map(|(key, value)| (key.as_ref(), value))
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "object of {}", self.0.len())
    }
}
