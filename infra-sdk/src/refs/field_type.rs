//! The types that a field of a published tree can have.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::names::ParamPath;
use crate::refs::ParameterValue;
use crate::secret::SecretValue;
use crate::tree::{Node, Origin, Value};

/// What a published field holds. Stores keep all of it as text; this says what the text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldType {
    /// A text, also one of an enum's variants, and a whole number of more than 63 bits.
    Text,
    /// A whole number.
    Integer,
    /// A number with a fraction.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A secret text.
    Secret,
    /// Texts, or values of several types.
    Texts,
    /// Whole numbers.
    Integers,
    /// Numbers, some with a fraction.
    Numbers,
    /// Switches.
    Booleans,
    /// A list or table without elements: nothing tells which.
    Empty,
}

impl FieldType {
    /// The type of a single value; `None` for lists, tables and what has no type.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Text(_) | Value::Loose(_) => FieldType::Text,
            Value::Integer(_) => FieldType::Integer,
            Value::Float(_) => FieldType::Number,
            Value::Boolean(_) => FieldType::Boolean,
            Value::Secret(_) => FieldType::Secret,
            Value::List(_) | Value::Table(_) => return None,
        })
    }

    /// The type of a list of single values.
    pub(crate) fn of_list(items: &[Node]) -> Self {
        let is = |wanted: &[FieldType]| {
            items.iter().all(|item| FieldType::of(&item.value).is_some_and(|found| wanted.contains(&found)))
        };
        match items {
            [] => FieldType::Empty,
            _ if is(&[FieldType::Integer]) => FieldType::Integers,
            _ if is(&[FieldType::Integer, FieldType::Number]) => FieldType::Numbers,
            _ if is(&[FieldType::Boolean]) => FieldType::Booleans,
            _ => FieldType::Texts,
        }
    }

    /// Whether a value means what the type says.
    pub(crate) fn holds(self, value: &ParameterValue) -> bool {
        let whole = |text: &String| text.parse::<i64>().is_ok();
        let number = |text: &String| text.parse::<f64>().is_ok();
        let switch = |text: &String| text == "true" || text == "false";
        match (self, value) {
            (FieldType::Secret, ParameterValue::Secret(_)) => true,
            (FieldType::Text, ParameterValue::Plain(_)) => true,
            (FieldType::Integer, ParameterValue::Plain(text)) => whole(text),
            (FieldType::Number, ParameterValue::Plain(text)) => number(text),
            (FieldType::Boolean, ParameterValue::Plain(text)) => switch(text),
            (FieldType::Texts | FieldType::Empty, ParameterValue::List(_)) => true,
            (FieldType::Integers, ParameterValue::List(items)) => items.iter().all(whole),
            (FieldType::Numbers, ParameterValue::List(items)) => items.iter().all(number),
            (FieldType::Booleans, ParameterValue::List(items)) => items.iter().all(switch),
            _ => false,
        }
    }

    /// What a value is, for people, without the value.
    pub(crate) fn seen(value: &ParameterValue) -> &'static str {
        match value {
            ParameterValue::Plain(_) => "another text",
            ParameterValue::List(_) => "another list",
            ParameterValue::Secret(_) => "a secret",
        }
    }

    /// The word a contract uses.
    pub fn word(self) -> &'static str {
        match self {
            FieldType::Text => "text",
            FieldType::Integer => "integer",
            FieldType::Number => "number",
            FieldType::Boolean => "boolean",
            FieldType::Secret => "secret",
            FieldType::Texts => "texts",
            FieldType::Integers => "integers",
            FieldType::Numbers => "numbers",
            FieldType::Booleans => "booleans",
            FieldType::Empty => "empty",
        }
    }

    /// A value of this type, to try a reader with.
    pub(crate) fn sample(self, path: &ParamPath) -> Value {
        let list = |value| Value::List(vec![Node::new(value, Origin::named(path.as_str()))]);
        match self {
            FieldType::Text => Value::Text("text".into()),
            FieldType::Integer => Value::Integer(1),
            FieldType::Number => Value::Float(0.5),
            FieldType::Boolean => Value::Boolean(true),
            FieldType::Secret => Value::Secret(SecretValue::new("text")),
            FieldType::Texts => list(Value::Text("text".into())),
            FieldType::Integers => list(Value::Integer(1)),
            FieldType::Numbers => list(Value::Float(0.5)),
            FieldType::Booleans => list(Value::Boolean(true)),
            FieldType::Empty => Value::Loose(String::new()),
        }
    }
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            FieldType::Text => "a text",
            FieldType::Integer => "a whole number",
            FieldType::Number => "a number",
            FieldType::Boolean => "true or false",
            FieldType::Secret => "a secret",
            FieldType::Texts => "a list of texts",
            FieldType::Integers => "a list of whole numbers",
            FieldType::Numbers => "a list of numbers",
            FieldType::Booleans => "a list of switches",
            FieldType::Empty => "an empty list or table",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_is_what_serde_writes() {
        use FieldType as T;
        for kind in [
            T::Text,
            T::Integer,
            T::Number,
            T::Boolean,
            T::Secret,
            T::Texts,
            T::Integers,
            T::Numbers,
            T::Booleans,
            T::Empty,
        ] {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{}\"", kind.word()));
        }
    }

    #[test]
    fn a_value_holds_what_its_type_says_or_was_changed() {
        let plain = |text: &str| ParameterValue::Plain(text.into());
        let list = |items: &[&str]| ParameterValue::List(items.iter().map(|item| (*item).into()).collect());
        let secret = ParameterValue::Secret(SecretValue::new("x"));
        for (kind, good, bad) in [
            (FieldType::Text, plain("x"), list(&["x"])),
            (FieldType::Integer, plain("-5"), plain("5.5")),
            (FieldType::Number, plain("1e3"), plain("much")),
            (FieldType::Boolean, plain("false"), plain("no")),
            (FieldType::Secret, secret.clone(), plain("x")),
            (FieldType::Texts, list(&["a"]), plain("a")),
            (FieldType::Integers, list(&["1", "2"]), list(&["1", "two"])),
            (FieldType::Numbers, list(&["1", "0.5"]), list(&["x"])),
            (FieldType::Booleans, list(&["true"]), list(&["1"])),
            (FieldType::Empty, list(&[]), secret.clone()),
        ] {
            assert!(kind.holds(&good) && !kind.holds(&bad), "{kind}");
        }
    }

    #[test]
    fn a_list_has_the_type_that_all_its_elements_have() {
        let node = |value| Node::new(value, Origin::named(""));
        let of = |values: Vec<Value>| FieldType::of_list(&values.into_iter().map(node).collect::<Vec<_>>());
        assert_eq!(of(vec![]), FieldType::Empty);
        assert_eq!(of(vec![Value::Integer(1), Value::Integer(2)]), FieldType::Integers);
        assert_eq!(of(vec![Value::Integer(1), Value::Float(0.5)]), FieldType::Numbers);
        assert_eq!(of(vec![Value::Boolean(true)]), FieldType::Booleans);
        assert_eq!(of(vec![Value::Integer(7), Value::Text("seven".into())]), FieldType::Texts);
    }
}
