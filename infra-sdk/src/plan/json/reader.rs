//! Makes a tree of JSON text that is known to be well formed.

use std::borrow::Cow;

use crate::error::{Error, Result};
use crate::plan::json::Number;
use crate::plan::json::value::{Object, Value};

/// Deeper than anything Terraform can type, and shallow enough for the stack of a thread.
const DEEPEST: usize = 256;

/// Reads a text that `serde_json` has checked: what is left to look for are the ends of things.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Reader { text, at: 0, depth: 0 }
    }

    pub(super) fn value(&mut self) -> Result<Value<'a>> {
        match self.peek() {
            b'n' => self.word(4, Value::Null),
            b't' => self.word(4, Value::Bool(true)),
            b'f' => self.word(5, Value::Bool(false)),
            b'"' => Ok(Value::String(self.string()?)),
            b'[' => self.array(),
            b'{' => self.object(),
            _ => Ok(Value::Number(self.number())),
        }
    }

    /// The next byte that is not blank; 0 at the end.
    fn peek(&mut self) -> u8 {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            if !byte.is_ascii_whitespace() {
                return *byte;
            }
            self.at += 1;
        }
        0
    }

    fn word(&mut self, length: usize, value: Value<'a>) -> Result<Value<'a>> {
        self.at += length;
        Ok(value)
    }

    fn number(&mut self) -> Number<'a> {
        let rest = &self.text[self.at..];
        let ends = |byte: &u8| !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let length = rest.as_bytes().iter().position(ends).unwrap_or(rest.len());
        // A byte that starts nothing must not be met for ever.
        self.at += length.max(1);
        Number::new(&rest[..length])
    }

    fn string(&mut self) -> Result<Cow<'a, str>> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let mut end = start;
        let mut escaped = false;
        while let Some(byte) = bytes.get(end) {
            match byte {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    end += 2;
                }
                _ => end += 1,
            }
        }
        let end = end.min(bytes.len());
        self.at = (end + 1).min(bytes.len());
        if !escaped {
            return Ok(Cow::Borrowed(&self.text[start..end]));
        }
        serde_json::from_str(&self.text[start - 1..self.at]).map(Cow::Owned).map_err(|_| {
            Error::invalid("a text in the plan has half of a surrogate pair")
                .hint("make the plan again with `terraform show -json`")
        })
    }

    fn array(&mut self) -> Result<Value<'a>> {
        self.enter()?;
        let mut items = Vec::new();
        while !matches!(self.peek(), b']' | 0) {
            items.push(self.value()?);
            self.comma();
        }
        self.leave();
        Ok(Value::Array(items))
    }

    fn object(&mut self) -> Result<Value<'a>> {
        self.enter()?;
        let mut members = Vec::new();
        while self.peek() == b'"' {
            let key = self.string()?;
            // The colon.
            self.peek();
            self.at += 1;
            members.push((key, self.value()?));
            self.comma();
        }
        self.leave();
        // Which key is not told: below a sensitive mark keys may be secret, too.
        let twice = |_| {
            Error::invalid("an object in the plan has a key twice")
                .hint("programs do not agree which of the two counts: make the plan again")
        };
        Object::new(members).map(Value::Object).map_err(twice)
    }

    fn comma(&mut self) {
        if self.peek() == b',' {
            self.at += 1;
        }
    }

    fn enter(&mut self) -> Result<()> {
        self.at += 1;
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Error::invalid(format!("a value in the plan nests deeper than {DEEPEST} levels"))
                .hint("check where the plan comes from: Terraform does not write such values"));
        }
        Ok(())
    }

    fn leave(&mut self) {
        self.at += 1;
        self.depth -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_is_read_and_written_back() {
        for text in [
            "null",
            "true",
            "false",
            "-1.50e+3",
            "[]",
            "{}",
            r#"["a",1,{"b":[null,[[]]]}]"#,
            r#"{"a":"\n\"<é","b":12345678901234567890}"#,
        ] {
            assert_eq!(Value::parse(text).unwrap().to_string(), text);
            let spaced = text.replace(',', " ,\n ").replace(':', " :\t");
            assert_eq!(Value::parse(&spaced).unwrap(), Value::parse(text).unwrap(), "{spaced}");
        }
        assert_eq!(Value::parse(r#""\u003ca\ud83d\ude00""#).unwrap().as_str(), Some("<a😀"));
    }

    #[test]
    fn texts_without_escapes_are_not_copied() {
        let value = Value::parse(r#"{"key":"value"}"#).unwrap();
        assert!(matches!(value.get("key"), Some(Value::String(Cow::Borrowed("value")))));
    }

    #[test]
    fn objects_are_equal_in_any_order_and_a_key_twice_is_refused() {
        let equal = |a, b| Value::parse(a).unwrap() == Value::parse(b).unwrap();
        assert!(equal(r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#));
        assert!(!equal(r#"{"a":1}"#, r#"{"a":1,"b":null}"#));
        let error = Value::parse(r#"{"a":1,"\u0061":2}"#).unwrap_err();
        assert!(error.to_string().contains("a key twice"), "{error}");
    }

    #[test]
    fn what_is_no_json_or_too_deep_is_refused() {
        for text in ["", "nul", "[1,]", "{\"a\"}", "NaN", "\"\\ud800\"", "1 2", "[", "\"a", "\u{feff}1"] {
            assert!(Value::parse(text).is_err(), "{text}");
        }
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(Value::parse(&nested(DEEPEST)).is_ok());
        assert!(Value::parse(&nested(100_000)).unwrap_err().to_string().contains("256 levels"));
    }
}
