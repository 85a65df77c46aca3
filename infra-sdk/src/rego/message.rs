//! What a rule says, whatever form its author chose.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The longest text of a rule that is shown.
pub(super) const SHOWN: usize = 2_000;

/// The longest text that is passed on to be shown. A longer one is not passed on in part: a secret at the end of the
/// part would be none that anybody knows.
const LONGEST: usize = 20_000;

/// What the things that all rules say in one process may weigh together.
pub(super) const HEAVIEST: usize = 32 << 20;

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
                    Some(Value::String(text)) => Some(text),
                    _ => None,
                };
                let msg = take("msg").ok_or(EXPECTED)?;
                let (hint, rule, address) = (take("hint"), take("rule"), take("address"));
                // Names are never cut: as a part they would name another rule, or a resource that is not there.
                let name = |name: &String| name.chars().nth(SHOWN).is_none();
                Ok(Message {
                    msg: bounded(msg),
                    hint: hint.map(bounded),
                    rule: rule.filter(name),
                    address: address.filter(name),
                })
            }
            _ => Err(EXPECTED.into()),
        }
    }

    fn of_text(text: String) -> Message {
        Message { msg: bounded(text), hint: None, rule: None, address: None }
    }

    /// About how many bytes it takes to keep it.
    pub(super) fn weight(&self) -> usize {
        let more = [&self.hint, &self.rule, &self.address].into_iter().flatten();
        size_of::<Self>() + self.msg.len() + more.map(String::len).sum::<usize>()
    }
}

const EXPECTED: &str = "its value is no set of texts, or of objects with a text `msg`";

fn bounded(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        Some(_) => format!("it says more than {LONGEST} characters, which are not shown"),
        None => text,
    }
}

/// Shortens a text to what is shown. Only without secrets: what is left of one would not be recognised.
pub(super) fn cut(text: &mut String) {
    if let Some((at, _)) = text.char_indices().nth(SHOWN) {
        text.truncate(at);
        text.push('…');
    }
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
    }

    #[test]
    fn a_long_text_is_passed_on_whole_or_not_at_all() {
        let said = |length: usize| Message::all(json!("ä".repeat(length))).unwrap().remove(0).msg;
        assert_eq!(said(LONGEST).chars().count(), LONGEST);
        assert_eq!(said(LONGEST + 1), "it says more than 20000 characters, which are not shown");
        let mut text = said(3_000);
        cut(&mut text);
        assert_eq!(text.chars().count(), SHOWN + 1);
        let names = json!([{"msg": "m", "rule": "r".repeat(SHOWN + 1), "address": "a".repeat(SHOWN)}]);
        let message = Message::all(names).unwrap().remove(0);
        assert!(message.rule.is_none() && message.address.is_some());
        assert!(message.weight() > SHOWN);
    }
}
