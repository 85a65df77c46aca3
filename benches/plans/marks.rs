//! The marks beside values, in the shapes that Terraform gives them.

use serde_json::{Map, Value, json};

use crate::tokens::CANARY;

/// Keys whose secret is marked. Under any other key a secret stands unmarked, as computed attributes show them.
const MARKED: [&str; 4] = ["password", "secret_string", "token", "value"];

/// The mark of sensitive values: `{}` for an object with none, lists padded with `false`, scalars without one left out.
pub(crate) fn sensitive(value: &Value) -> Value {
    below(value, "").unwrap_or(json!({}))
}

fn below(value: &Value, key: &str) -> Option<Value> {
    match value {
        Value::Object(members) => {
            let marks = members.iter().filter_map(|(key, value)| Some((key.clone(), below(value, key)?)));
            Some(Value::Object(marks.collect::<Map<_, _>>()))
        }
        Value::Array(items) => {
            Some(items.iter().map(|item| below(item, key).unwrap_or(Value::Bool(false))).collect())
        }
        Value::String(text) => {
            (text.starts_with(CANARY) && MARKED.contains(&key)).then_some(Value::Bool(true))
        }
        _ => None,
    }
}

/// The mark of unknown values: `names` are `true`, and everything that holds others is there and empty.
pub(crate) fn unknown(value: &Value, names: &[&str]) -> Value {
    let mut marks = match empty(value) {
        Some(Value::Object(marks)) => marks,
        _ => Map::new(),
    };
    marks.extend(names.iter().map(|name| (name.to_string(), Value::Bool(true))));
    Value::Object(marks)
}

fn empty(value: &Value) -> Option<Value> {
    match value {
        Value::Object(members) => {
            let marks = members.iter().filter_map(|(key, value)| Some((key.clone(), empty(value)?)));
            Some(Value::Object(marks.collect::<Map<_, _>>()))
        }
        Value::Array(items) => {
            Some(items.iter().map(|item| empty(item).unwrap_or(Value::Bool(false))).collect())
        }
        _ => None,
    }
}
