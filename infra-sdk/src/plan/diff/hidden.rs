//! The secrets of one resource, so that none is told where it stands without a mark.

use std::borrow::Cow;
use std::cell::OnceCell;

use crate::mask::Masks;
use crate::plan::json::{Mark, Value};
use crate::plan::veil::inside;
use crate::secret::SecretValue;

/// What is shorter would be found everywhere by accident, as [`Masks`] has it.
const SHORTEST: usize = 4;

/// So many are looked for one after the other: quicker than to build a search for all at once, which a resource with
/// one password is not worth.
const FEW: usize = 16;

/// The marked texts and numbers of both sides. [`Veil`](crate::plan::Veil) hides those of the whole plan, in all their
/// spellings, from what is shown in the end; this keeps them out of the differences in the first place.
#[derive(Default)]
pub(super) struct Hidden {
    texts: Vec<String>,
    masks: OnceCell<Masks>,
}

impl Hidden {
    /// Learns what `mark` marks in `value`.
    pub(super) fn learn(&mut self, value: &Value<'_>, mark: Mark<'_>) {
        if !mark.is_any() {
            return;
        }
        let whole = mark.is_whole() || !mark.fits(value);
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.learn(item, if whole { Mark::WHOLE } else { mark.index(index) });
                }
            }
            Value::Object(object) => {
                for (key, value) in object.iter() {
                    self.learn(value, if whole { Mark::WHOLE } else { mark.key(key) });
                }
            }
            Value::String(text) => self.add(text),
            Value::Number(number) => self.add(number.as_str()),
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// Adds a text, and what a walk that looks into documents and base64 can find in it.
    fn add(&mut self, text: &str) {
        let mut waiting = vec![SecretValue::new(text)];
        while let Some(secret) = waiting.pop() {
            let text = secret.expose();
            let is_known = self.texts.len() <= FEW && self.texts.iter().any(|known| known == text);
            if text.len() >= SHORTEST && !is_known {
                self.texts.push(text.to_owned());
                self.masks.take();
                inside(text, &mut |inner| waiting.push(inner));
            }
        }
    }

    /// Whether one of them stands in `value`, also in a key.
    pub(super) fn is_in(&self, value: &Value<'_>) -> bool {
        if self.texts.is_empty() {
            return false;
        }
        match value {
            Value::Null | Value::Bool(_) => false,
            Value::Number(number) => self.is_in_text(number.as_str()),
            Value::String(text) => self.is_in_text(text),
            Value::Array(items) => items.iter().any(|item| self.is_in(item)),
            Value::Object(object) => {
                object.iter().any(|(key, value)| self.is_in_text(key) || self.is_in(value))
            }
        }
    }

    /// Whether one of them stands in `text`, also as JSON writes it.
    pub(super) fn is_in_text(&self, text: &str) -> bool {
        if self.texts.len() > FEW || text.contains('\\') {
            return !self.texts.is_empty() && matches!(self.masks().apply(text), Cow::Owned(_));
        }
        self.texts.iter().any(|secret| text.contains(secret.as_str()))
    }

    /// `text` without them.
    pub(super) fn apply<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.is_in_text(text) { self.masks().apply(text) } else { Cow::Borrowed(text) }
    }

    fn masks(&self) -> &Masks {
        self.masks.get_or_init(|| {
            let masks = Masks::new();
            self.texts.iter().for_each(|text| masks.add(&SecretValue::new(text.as_str())));
            masks
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(value: &str, mark: &str) -> Hidden {
        let mut hidden = Hidden::default();
        hidden.learn(&Value::parse(value).unwrap(), Mark::of(&Value::parse(mark).unwrap()));
        hidden
    }

    #[test]
    fn what_is_marked_is_found_anywhere_and_nothing_else() {
        let found = hidden(
            r#"{"a":"pass\"word","b":["free","<html>"],"c":12345,"d":"abc"}"#,
            r#"{"a":true,"b":[false,true],"c":true,"d":true}"#,
        );
        for text in ["my pass\"word!", r#"{"p":"pass\"word"}"#, r#"{"h":"\u003chtml\u003e"}"#, "12345"] {
            assert!(found.is_in_text(text), "{text}");
        }
        assert!(!found.is_in_text("free") && !found.is_in_text("abc"));
        assert!(found.is_in(&Value::parse(r#"{"x":[{"12345":1}]}"#).unwrap()));
        assert_eq!(found.apply("tags[\"12345\"]"), "tags[\"***\"]");
        assert!(!Hidden::default().is_in_text("\\"));
    }

    #[test]
    fn what_a_marked_text_holds_in_base64_and_json_is_found_alone() {
        // {"pw":"hunter2-is-my-pw"}
        let found = hidden("\"eyJwdyI6Imh1bnRlcjItaXMtbXktcHcifQ==\"", "true");
        assert!(found.is_in_text("{\"pw\":\"hunter2-is-my-pw\"}") && found.is_in_text("hunter2-is-my-pw"));
        assert!(!found.is_in_text("pw"));
    }

    #[test]
    fn many_are_found_like_few() {
        let values: Vec<String> = (0..100).map(|n| format!("\"secret {n}\"")).collect();
        let found = hidden(&format!("[{}]", values.join(",")), "true");
        assert!(found.is_in_text("a secret 99") && !found.is_in_text("a secret"));
    }
}
