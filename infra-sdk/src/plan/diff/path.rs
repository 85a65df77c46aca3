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

/// A path of a person is far shorter. Without a bound, a key of a megabyte would be written for each thing below it.
const LONGEST: usize = 1_000;

/// A step on a walk.
#[derive(Clone, Copy)]
pub(super) enum Part<'p> {
    /// The key of a member.
    Key(&'p str),
    /// The position of an item.
    Index(usize),
    /// How an item is named, with its brackets.
    Label(&'p str),
}

/// Adds a step. A key that would make the path too long is told by its size, for a piece of it could be a piece of a
/// secret that nobody recognises.
pub(super) fn push(path: &mut String, part: Part<'_>) {
    let rest = LONGEST.saturating_sub(path.len());
    match part {
        _ if rest == 0 => {}
        Part::Key(key) if key.len() > rest => path.push_str(&format!("[a key of {} bytes]", key.len())),
        Part::Key(key) => push_key(path, key),
        Part::Index(index) => path.push_str(&format!("[{index}]")),
        Part::Label(label) => path.push_str(label),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_short_whatever_the_keys_are() {
        let mut path = String::new();
        push(&mut path, Part::Key("tags"));
        push(&mut path, Part::Key(&"k".repeat(1_000_000)));
        assert_eq!(path, "tags[a key of 1000000 bytes]");
        for step in 0..10_000 {
            push(&mut path, Part::Key("key"));
            push(&mut path, Part::Index(step));
        }
        assert!(path.len() < 1_100, "{}", path.len());
    }
}
