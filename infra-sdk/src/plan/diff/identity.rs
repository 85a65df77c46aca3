//! What tells the objects of a list apart, so that one of them is itself again after the change.

use std::collections::HashSet;

use crate::plan::json::{Mark, Value, canonical};

/// Members that name an object within its list, the surest first. One serves when all objects have it, each another.
const NAMES: &[&[&str]] = &[
    &["name"],
    &["id"],
    &["key"],
    &["sid"],
    &["Sid"],
    &["Name"],
    &["Key"],
    &["Id"],
    &["arn"],
    &["rule_number"],
    &["rule_no"],
    &["priority"],
    &["from_port", "to_port", "protocol"],
    &["port", "protocol"],
    &["container_port"],
    &["containerPort"],
    &["port"],
    &["cidr"],
    &["cidr_block"],
    &["path_pattern"],
    &["path"],
    &["device_name"],
    &["domain_name"],
    &["origin_id"],
    &["host"],
    &["type"],
];

/// A longer name would be a text, not a name.
const LONGEST: usize = 120;

/// The members that identify the objects of a list.
#[derive(Clone, Copy)]
pub(super) struct Identity(&'static [&'static str]);

impl Identity {
    /// The members that identify the objects of both lists: none of them unknown or sensitive, for the name is shown.
    pub(super) fn of(
        before: &[(&Value<'_>, [Mark<'_>; 2])],
        after: &[(&Value<'_>, [Mark<'_>; 2])],
    ) -> Option<Self> {
        let tells_apart = |identity: &Identity, items: &[(&Value<'_>, [Mark<'_>; 2])]| {
            let mut seen = HashSet::new();
            items.iter().all(|(item, marks)| {
                let clear = |key: &&str| marks.iter().all(|mark| !mark.key(key).is_any());
                identity.0.iter().all(clear) && identity.key(item).is_some_and(|key| seen.insert(key))
            })
        };
        let mut candidates = NAMES.iter().map(|names| Identity(names));
        candidates.find(|identity| tells_apart(identity, before) && tells_apart(identity, after))
    }

    /// What identifies `item`, for comparing.
    pub(super) fn key(self, item: &Value<'_>) -> Option<String> {
        let mut key = String::new();
        for name in self.0 {
            match item.get(name)? {
                Value::Null | Value::Array(_) | Value::Object(_) => return None,
                value => key.push_str(&canonical(value)),
            }
            key.push(',');
        }
        Some(key)
    }

    /// How a path names `item`: `[name="web"]`.
    pub(super) fn label(self, item: &Value<'_>) -> Option<String> {
        let mut parts = Vec::new();
        for name in self.0 {
            parts.push(format!("{name}={}", item.get(name)?));
        }
        let label = format!("[{}]", parts.join(", "));
        (label.len() <= LONGEST).then_some(label)
    }
}

/// How alike two objects are, between 0 and 1: the share of members that are equal. Members that are `null` do not
/// count.
pub(super) fn likeness(a: &[(&str, String)], b: &[(&str, String)]) -> f64 {
    let (mut left, mut right, mut equal, mut all) = (0, 0, 0_usize, 0_usize);
    while left < a.len() || right < b.len() {
        all += 1;
        match (a.get(left), b.get(right)) {
            (Some(one), Some(other)) if one.0 == other.0 => {
                equal += usize::from(one.1 == other.1);
                (left, right) = (left + 1, right + 1);
            }
            (Some(one), Some(other)) if one.0 < other.0 => left += 1,
            (Some(_), None) => left += 1,
            _ => right += 1,
        }
    }
    if all == 0 { 0.0 } else { equal as f64 / all as f64 }
}

/// The members of an object as [`likeness`] compares them.
pub(super) fn members<'v>(item: &'v Value<'_>) -> Vec<(&'v str, String)> {
    let members = item.as_object().into_iter().flat_map(|object| object.iter());
    members.filter(|(_, value)| !value.is_null()).map(|(key, value)| (key, canonical(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(before: &str, after: &str) -> Option<String> {
        let (before, after) = (Value::parse(before).unwrap(), Value::parse(after).unwrap());
        let unmarked = |item| (item, [Mark::NONE; 2]);
        let before: Vec<_> = before.as_array().unwrap().iter().map(unmarked).collect();
        let after: Vec<_> = after.as_array().unwrap().iter().map(unmarked).collect();
        Identity::of(&before, &after)?.label(before[0].0)
    }

    #[test]
    fn objects_are_named_by_the_surest_members_that_tell_all_of_them_apart() {
        let rules = r#"[{"port":1,"type":"a"},{"port":2,"type":"b"}]"#;
        assert_eq!(identity(rules, rules).as_deref(), Some("[port=1]"));
        assert_eq!(
            identity(rules, r#"[{"port":1,"type":"a"},{"port":1,"type":"b"}]"#).unwrap(),
            r#"[type="a"]"#
        );
        assert_eq!(identity(rules, r#"[{"port":null,"type":"a"},{"port":1}]"#), None);
        let ranges =
            r#"[{"from_port":1,"to_port":2,"protocol":"tcp"},{"from_port":1,"to_port":2,"protocol":"udp"}]"#;
        assert_eq!(identity(ranges, "[]").unwrap(), r#"[from_port=1, to_port=2, protocol="tcp"]"#);
    }

    #[test]
    fn what_is_sensitive_names_nothing() {
        let (list, mark) =
            (Value::parse(r#"{"name":"a","port":1}"#).unwrap(), Value::parse(r#"{"name":true}"#).unwrap());
        let label = |mark| Identity::of(&[(&list, [Mark::NONE, mark])], &[])?.label(&list);
        assert_eq!(label(Mark::NONE).unwrap(), r#"[name="a"]"#);
        assert_eq!(label(Mark::of(&mark)).unwrap(), "[port=1]");
        assert_eq!(label(Mark::WHOLE), None);
    }

    #[test]
    fn a_very_long_name_names_nothing_and_a_hostile_one_is_quoted() {
        assert_eq!(identity(&format!(r#"[{{"name":"{}"}}]"#, "x".repeat(200)), "[]"), None);
        assert_eq!(identity(r#"[{"name":"a\n\"]"}]"#, "[]").unwrap(), r#"[name="a\n\"]"]"#);
    }

    #[test]
    fn objects_are_as_alike_as_they_have_equal_members() {
        let of = |a, b| likeness(&members(&Value::parse(a).unwrap()), &members(&Value::parse(b).unwrap()));
        assert_eq!(of(r#"{"a":1,"b":2}"#, r#"{"a":1.0,"b":3}"#), 0.5);
        assert_eq!(of(r#"{"a":1,"b":null}"#, r#"{"a":1}"#), 1.0);
        assert_eq!(of(r#"{"a":1}"#, r#"{"b":1}"#), 0.0);
        assert_eq!(of("{}", "{}"), 0.0);
    }
}
