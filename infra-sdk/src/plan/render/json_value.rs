//! A value of a plan as JSON again, its texts freed of secrets one by one.

use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::plan::json::Value;
use crate::plan::render::attribute::Shown;

/// A value in pieces, of which the texts can be masked: masking JSON as a whole could end a string too early.
pub(super) struct JsonValue(Vec<Token>);

enum Token {
    Mark(&'static str),
    Text(String),
    Number(String),
}

impl JsonValue {
    fn add(&mut self, value: &Value<'_>) {
        match value {
            Value::Null => self.mark("null"),
            Value::Bool(true) => self.mark("true"),
            Value::Bool(false) => self.mark("false"),
            Value::Number(number) => self.0.push(Token::Number(number.to_string())),
            Value::String(text) => self.0.push(Token::Text(text.to_string())),
            Value::Array(items) => {
                self.mark("[");
                for (index, item) in items.iter().enumerate() {
                    self.mark(if index > 0 { "," } else { "" });
                    self.add(item);
                }
                self.mark("]");
            }
            Value::Object(object) => {
                self.mark("{");
                for (index, (key, value)) in object.iter().enumerate() {
                    self.mark(if index > 0 { "," } else { "" });
                    self.0.push(Token::Text(key.to_owned()));
                    self.mark(":");
                    self.add(value);
                }
                self.mark("}");
            }
        }
    }

    fn mark(&mut self, mark: &'static str) {
        self.0.push(Token::Mark(mark));
    }
}

impl Shown for JsonValue {
    fn of(value: &Value<'_>) -> Self {
        let mut pieces = JsonValue(Vec::new());
        pieces.add(value);
        pieces
    }

    fn texts<'t>(&'t mut self, texts: &mut Vec<&'t mut String>) {
        texts.extend(self.0.iter_mut().filter_map(|token| match token {
            Token::Mark(_) => None,
            Token::Text(text) | Token::Number(text) => Some(text),
        }));
    }
}

impl Serialize for JsonValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut json = String::new();
        for token in &self.0 {
            match token {
                Token::Mark(mark) => json.push_str(mark),
                // A number that was a secret is a text now.
                Token::Number(number) if !number.contains('*') => json.push_str(number),
                Token::Text(text) | Token::Number(text) => {
                    json.push_str(&serde_json::to_string(text).map_err(S::Error::custom)?);
                }
            }
        }
        RawValue::from_string(json).map_err(S::Error::custom)?.serialize(serializer)
    }
}
