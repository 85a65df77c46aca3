//! The one text for all texts of the same meaning.

use crate::plan::json::{Value, canonical_document};
use crate::plan::meaning::policy;

/// A document of this size is text to us. AWS takes policies of at most 20 KiB, and ECS and API Gateway definitions
/// stay below this by far.
const LARGEST: usize = 1 << 20;

/// The canonical text of what `text` means, when it is a JSON object or list; `None` for every other text. It is for
/// comparing, and not to be shown.
///
/// Keys are sorted; all else counts as it is written, for nobody knows who reads the document: `1.10` may be a version, and
/// a member that is `null` is another thing than none to a state machine. In an IAM policy (see
/// [the grammar](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html)) statements may
/// stand in any order, actions, resources, principals and the values of conditions are sets, a lone text is a set of
/// one, the names of actions and condition keys are the same in upper and lower case, and an element that is `null` is
/// none.
///
/// What is larger than 1 MiB, nests deeper than [`Value`] reads or has a key twice has no such text: it is then
/// compared as it is written.
///
/// ```
/// use infra_sdk::plan::meaning::canonical_text;
/// assert_eq!(canonical_text(r#" {"b": 1, "a": []} "#), canonical_text(r#"{"a":[],"b":1}"#));
/// assert_eq!(canonical_text("hello"), None);
/// ```
pub fn canonical_text(text: &str) -> Option<String> {
    Some(canonical_value(&document(text)?))
}

/// Whether two texts mean the same: they are equal, or equal documents.
///
/// ```
/// use infra_sdk::plan::meaning::same;
/// let list = r#"{"Statement":[{"Effect":"Allow","Action":["s3:GetObject"],"Resource":"*"}]}"#;
/// let lone = r#"{"Statement":{"Effect":"Allow","Action":"S3:getobject","Resource":["*"]}}"#;
/// assert!(same(list, lone));
/// assert!(!same("[1,2]", "[2,1]"));
/// ```
pub fn same(a: &str, b: &str) -> bool {
    a == b || canonical_text(a).is_some_and(|a| canonical_text(b).is_some_and(|b| a == b))
}

/// The object or list that a text is.
pub(in crate::plan) fn document(text: &str) -> Option<Value<'_>> {
    let text = text.trim();
    // Most texts of a plan are names: they need no parser to be told apart.
    let brackets = (text.as_bytes().first()?, text.as_bytes().last()?);
    if text.len() > LARGEST || !matches!(brackets, (b'{', b'}') | (b'[', b']')) {
        return None;
    }
    Value::parse(text).ok()
}

/// As [`canonical_text`], for a document that is a tree already.
pub(in crate::plan) fn canonical_value(value: &Value<'_>) -> String {
    policy::canonical_policy(value).unwrap_or_else(|| canonical_document(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_compared_by_meaning_and_lists_keep_their_order() {
        for (a, b) in [
            (r#"{"a":1,"b":[true,null]}"#, "{ \"b\": [true, null],\n \"a\": 1 }\n"),
            (r#"{"a":"\u003c"}"#, r#"{"a":"<"}"#),
            (
                r#"{"Statement":{"Effect":"Allow","Action":"a:b","Resource":"*","Condition":null}}"#,
                r#"{"Id":null,"Statement":{"Effect":"Allow","Action":"a:b","Resource":"*"}}"#,
            ),
            ("[]", "[ ]"),
        ] {
            assert!(same(a, b), "{a} {b}");
        }
        for (a, b) in [
            ("[1,2]", "[2,1]"),
            (r#"{"a":1}"#, r#"{"a":"1"}"#),
            (r#"{"a":[]}"#, "{}"),
            ("{}", "[]"),
            (r#"{"a":1,"a":2}"#, r#"{"a":2,"a":1}"#),
            ("1.0", "1"),
            ("[1.10]", "[1.1]"),
            ("[1.0]", "[1]"),
            ("[1e99999999999999999999]", "[1e-99999999999999999999]"),
            (r#"{"Type":"Task","ResultPath":null}"#, r#"{"Type":"Task"}"#),
            (r#"{"a":"<","b":null}"#, r#"{"a":"<"}"#),
            ("{a}", "{ a }"),
        ] {
            assert!(!same(a, b), "{a} {b}");
        }
        assert!(same("any", "any"));
    }

    #[test]
    fn what_is_no_document_too_deep_or_too_large_has_no_canonical_text() {
        let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
        let large = format!("[\"{}\"]", "x".repeat(LARGEST));
        for text in ["", " ", "{", "[1", "\"{}\"", "12", "null", "${x}", "[section]", &deep, &large] {
            assert_eq!(canonical_text(text), None, "{:.40}", text);
        }
    }
}
