//! Writing where something stands in a value.

use crate::error::Result;
use crate::plan::json::{Mark, Object, Value};
use crate::plan::model::ResourceChange;

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

/// The paths that force a replacement of a resource, each once and in the plan's order. One that leads into something
/// sensitive ends there, for a key below is a part of the secret; a step that is neither a name nor a number is a value of
/// a set, and not told.
///
/// # Errors
/// As [`Value::of`].
pub(in crate::plan) fn forcing(resource: &ResourceChange<'_>) -> Result<Vec<String>> {
    let paths = resource.replace_paths()?;
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let sensitive =
        [Value::of_part(resource.change.before_sensitive)?, Value::of_part(resource.change.after_sensitive)?];
    let mut told: Vec<String> = Vec::new();
    for steps in &paths {
        let path = cut(steps, [Mark::of(&sensitive[0]), Mark::of(&sensitive[1])]);
        // Nothing is left where all of the resource is sensitive.
        if !path.is_empty() && !told.contains(&path) {
            told.push(path);
        }
    }
    Ok(told)
}

fn cut(steps: &[Value<'_>], mut marks: [Mark<'_>; 2]) -> String {
    let mut path = String::new();
    for step in steps {
        // A mark of another shape than the path marks everything, as everywhere.
        let holder = match step {
            Value::String(_) => Value::Object(Object::default()),
            _ => Value::Array(Vec::new()),
        };
        if marks.iter().any(|mark| mark.is_whole() || !mark.fits(&holder)) {
            break;
        }
        match step {
            Value::String(key) => {
                push_key(&mut path, key);
                marks = marks.map(|mark| mark.key(key));
            }
            Value::Number(number) if number.as_str().parse::<usize>().is_ok() => {
                let index = number.as_str().parse().unwrap_or_default();
                push(&mut path, Part::Index(index));
                marks = marks.map(|mark| mark.index(index));
            }
            _ => {
                path.push_str("[*]");
                // Which item it is nobody knows.
                marks = marks.map(|mark| if mark.is_any() { Mark::WHOLE } else { Mark::NONE });
            }
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
    use crate::plan::Plan;

    #[test]
    fn a_path_that_forces_a_replacement_ends_where_a_secret_begins() {
        let forcing = |paths: &str, before: &str, after: &str| {
            let text = format!(
                r#"{{"format_version":"1.2","resource_changes":[{{"address":"a.b","type":"a","name":"b","change":{{
                    "actions":["delete","create"],"replace_paths":{paths},"before_sensitive":{before},"after_sensitive":{after}}}}}]}}"#
            );
            forcing(&Plan::parse(text.as_bytes()).unwrap().resource_changes[0]).unwrap().join(" ")
        };
        let paths =
            r#"[["secrets","hunter2-key"],["tags","a.b",0],["secrets","other"],["set",{"k":"v"},"x"]]"#;
        assert_eq!(forcing(paths, "{}", r#"{"secrets":true}"#), r#"secrets tags["a.b"][0] set[*].x"#);
        assert_eq!(
            forcing(paths, r#"{"tags":{"a.b":[true]}}"#, "{}").split(' ').nth(2),
            Some("secrets.other")
        );
        let shifted = forcing(paths, r#"{"secrets":[true],"tags":{"a.b":true},"set":[{"x":true}]}"#, "{}");
        assert_eq!(shifted, r#"secrets tags["a.b"] set[*]"#);
        assert_eq!(forcing(paths, "true", "{}"), "");
    }

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
