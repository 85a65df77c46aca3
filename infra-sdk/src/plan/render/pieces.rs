//! A value of a plan in pieces, its texts freed of secrets one by one.

use std::fmt;

use crate::plan::json::Value;

/// A value in pieces, of which the texts can be masked. Masking JSON as a whole could end a string too early, and would
/// not find a secret that stands escaped in a text that is escaped once more.
pub(super) struct Pieces(Vec<Piece>);

enum Piece {
    Mark(&'static str),
    Text(String),
    Number(String),
}

impl Pieces {
    /// Those of a value, not yet masked.
    pub(super) fn of(value: &Value<'_>) -> Self {
        let mut pieces = Pieces(Vec::new());
        pieces.add(value);
        pieces
    }

    /// What can hold a secret.
    pub(super) fn texts<'t>(&'t mut self, texts: &mut Vec<&'t mut String>) {
        texts.extend(self.0.iter_mut().filter_map(|piece| match piece {
            Piece::Mark(_) => None,
            Piece::Text(text) | Piece::Number(text) => Some(text),
        }));
    }

    fn add(&mut self, value: &Value<'_>) {
        match value {
            Value::Null => self.mark("null"),
            Value::Bool(true) => self.mark("true"),
            Value::Bool(false) => self.mark("false"),
            Value::Number(number) => self.0.push(Piece::Number(number.to_string())),
            Value::String(text) => self.0.push(Piece::Text(text.to_string())),
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
                    self.0.push(Piece::Text(key.to_owned()));
                    self.mark(":");
                    self.add(value);
                }
                self.mark("}");
            }
        }
    }

    fn mark(&mut self, mark: &'static str) {
        self.0.push(Piece::Mark(mark));
    }
}

/// As compact JSON.
impl fmt::Display for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Mark(mark) => f.write_str(mark),
            // A number that was a secret is a text now.
            Piece::Number(number) if !number.contains('*') => f.write_str(number),
            Piece::Text(text) | Piece::Number(text) => {
                write!(f, "{}", Value::String(text.as_str().into()))
            }
        })
    }
}
