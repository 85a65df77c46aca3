//! What a rule says, whatever form its author chose.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The longest text of a rule that is passed on.
const LONGEST: usize = 2_000;

/// One thing a rule says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Message {
    pub(super) msg: String,
    pub(super) hint: Option<String>,
    pub(super) rule: Option<String>,
    pub(super) address: Option<String>,
}

impl Message {
    /// All that the value of a rule says. `Err` tells what was expected.
    pub(super) fn all(value: Value) -> Result<Vec<Message>, String> {
        match value {
            // Undefined, or a rule with a default.
            Value::Null | Value::Bool(false) => Ok(Vec::new()),
            Value::Bool(true) => Ok(vec![Message::of_text("the rule refuses it".into())]),
            Value::String(text) => Ok(vec![Message::of_text(text)]),
            Value::Array(items) => items.into_iter().map(Message::one).collect(),
            // One object that is a message, or messages by key, as `deny[key] := message` makes them.
            Value::Object(object) if object.contains_key("msg") => {
                Ok(vec![Message::one(Value::Object(object))?])
            }
            Value::Object(object) => object.into_iter().map(|(_, value)| Message::one(value)).collect(),
            Value::Number(_) => Err(EXPECTED.into()),
        }
    }

    fn one(value: Value) -> Result<Message, String> {
        match value {
            Value::String(text) => Ok(Message::of_text(text)),
            Value::Object(mut object) => {
                let mut take = |key: &str| match object.remove(key) {
                    Some(Value::String(text)) => Some(cut(text)),
                    _ => None,
                };
                let msg = take("msg").ok_or(EXPECTED)?;
                Ok(Message { msg, hint: take("hint"), rule: take("rule"), address: take("address") })
            }
            _ => Err(EXPECTED.into()),
        }
    }

    fn of_text(text: String) -> Message {
        Message { msg: cut(text), hint: None, rule: None, address: None }
    }
}

const EXPECTED: &str = "its value is no set of texts, or of objects with a text `msg`";

fn cut(mut text: String) -> String {
    if let Some((at, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(at);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_form_that_conftest_takes_is_understood_and_no_other() {
        for (value, count) in [
            (json!(null), 0),
            (json!(false), 0),
            (json!(true), 1),
            (json!("no"), 1),
            (json!([]), 0),
            (json!(["a", {"msg": "b", "details": {}}]), 2),
            (json!({"msg": "a", "hint": "h"}), 1),
            (json!({"x": "a", "y": {"msg": "b"}}), 2),
        ] {
            assert_eq!(Message::all(value.clone()).unwrap().len(), count, "{value}");
        }
        for value in [json!(7), json!([7]), json!([{"message": "a"}]), json!([["a"]])] {
            assert!(Message::all(value.clone()).is_err(), "{value}");
        }
        let long = Message::all(json!("ä".repeat(3_000))).unwrap();
        assert_eq!(long[0].msg.chars().count(), LONGEST + 1);
    }
}
