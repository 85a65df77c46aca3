//! Writing where something stands in a value.

use crate::plan::json::Value;

/// A path as a person writes it, from its steps: `["tags", "a.b", 0]` is `tags["a.b"][0]`.
///
/// ```
/// use infra_sdk::plan::{Value, diff};
/// let steps = [r#""tags""#, r#""a.b""#, "0"].map(|step| Value::parse(step).unwrap());
/// assert_eq!(diff::steps(&steps), r#"tags["a.b"][0]"#);
/// ```
pub fn steps(steps: &[Value<'_>]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Value::String(key) => push_key(&mut path, key),
            other => path.push_str(&format!("[{other}]")),
        }
    }
    path
}

/// Adds the key of a member.
pub(in crate::plan) fn push_key(path: &mut String, key: &str) {
    let is_word = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    if !is_word {
        path.push_str(&format!("[{}]", Value::String(key.into())));
        return;
    }
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(key);
}

/// Adds the position of an item.
pub(super) fn push_index(path: &mut String, index: usize) {
    path.push_str(&format!("[{index}]"));
}
