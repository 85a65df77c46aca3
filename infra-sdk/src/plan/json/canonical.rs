//! The one way to write a value, so that equal meaning gives equal bytes.

use crate::plan::json::Value;
use crate::plan::json::value::quoted;

/// Writes `value` with sorted keys and numbers in one form. A member that is `null` is left out: providers
/// change between the two without meaning anything by it.
pub(in crate::plan) fn canonical(value: &Value<'_>) -> String {
    canonical_by(value, &|_| None)
}

/// As [`canonical`], where some texts have a meaning of their own: `meaning` gives the canonical text of such a one.
pub(in crate::plan) fn canonical_by(value: &Value<'_>, meaning: &dyn Fn(&str) -> Option<String>) -> String {
    let mut text = String::new();
    write(value, Style::Attribute(meaning), &mut text);
    text
}

/// Writes a document, with sorted keys alone. Who reads it may mean something by a `null` (`"ResultPath": null` of a state
/// machine) and by the zeros of a number, so both stay as they are.
pub(in crate::plan) fn canonical_document(value: &Value<'_>) -> String {
    let mut text = String::new();
    write(value, Style::Document, &mut text);
    text
}

#[derive(Clone, Copy)]
enum Style<'m> {
    /// As Terraform sees the value of an attribute.
    Attribute(&'m dyn Fn(&str) -> Option<String>),
    /// As anybody may see it.
    Document,
}

fn write(value: &Value<'_>, style: Style<'_>, text: &mut String) {
    let meaning = |text: &str| match style {
        Style::Attribute(meaning) => meaning(text),
        Style::Document => None,
    };
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => match style {
            Style::Attribute(_) => text.push_str(&number.canonical()),
            Style::Document => text.push_str(number.as_str()),
        },
        Value::String(string) => match meaning(string) {
            // No quoted text begins with this sign, so it is never taken for one with a meaning.
            Some(meant) => {
                text.push('~');
                text.push_str(&quoted(&meant));
            }
            None => text.push_str(&quoted(string)),
        },
        Value::Array(items) => {
            text.push('[');
            for item in items {
                write(item, style, text);
                text.push(',');
            }
            text.push(']');
        }
        Value::Object(object) => {
            text.push('{');
            let is_told = |value: &Value<'_>| !value.is_null() || matches!(style, Style::Document);
            for (key, value) in object.iter().filter(|(_, value)| is_told(value)) {
                text.push_str(&quoted(key));
                text.push(':');
                write(value, style, text);
                text.push(',');
            }
            text.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_meaning_gives_equal_text_and_other_meaning_another() {
        let of = |text| canonical(&Value::parse(text).unwrap());
        assert_eq!(of(r#"{"b":1.0,"a":"<"}"#), of(r#"{"a":"\u003c","b":1,"c":null}"#));
        for (a, b) in [("[1,2]", "[2,1]"), ("[null]", "[]"), ("\"1\"", "1"), (r#"["a,b"]"#, r#"["a","b"]"#)] {
            assert_ne!(of(a), of(b));
        }
    }

    #[test]
    fn a_document_keeps_what_is_null_and_how_numbers_are_written() {
        let of = |text| canonical_document(&Value::parse(text).unwrap());
        assert_eq!(of(r#"{"b":[1.10, null],"a":"<"}"#), of(r#"{"a":"\u003c","b":[1.10,null]}"#));
        for (a, b) in
            [("[1.10]", "[1.1]"), ("[1]", "[1.0]"), (r#"{"a":null}"#, "{}"), (r#"[{"a":null}]"#, "[{}]")]
        {
            assert_ne!(of(a), of(b));
        }
    }

    #[test]
    fn a_text_with_a_meaning_is_never_taken_for_another_text() {
        let meaning = |text: &str| text.strip_prefix("m:").map(|_| "M".to_owned());
        let of = |text| canonical_by(&Value::parse(text).unwrap(), &meaning);
        assert_eq!(of(r#"["m:1"]"#), of(r#"["m:2"]"#));
        assert_ne!(of(r#""m:1""#), of(r#""M""#));
        assert_ne!(of(r#""m:1""#), of(r#""~\"M\"""#));
    }
}
