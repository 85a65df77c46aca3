//! Finding changes that are the same at many resources, without trees of their values.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use serde_json::value::RawValue;

use crate::plan::json::{Members, Text};
use crate::plan::model::{Actions, ResourceChange};
use crate::plan::render::entry::Entry;

/// Places of entries that are shown as one, in the order of the first of each.
///
/// Only so many are compared: a page has no room for the rest, whatever they are.
pub(super) fn groups(entries: &[Entry<'_>]) -> Vec<Vec<usize>> {
    const MOST: usize = 20_000;
    // Keyed at random: nobody can make two changes that only look the same, and among so many 64 bits tell all apart.
    let hasher = RandomState::new();
    let mut places: HashMap<u64, usize> = HashMap::new();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (place, entry) in entries.iter().enumerate() {
        let print = if place < MOST { print(entry, &hasher) } else { None };
        match print.map(|print| *places.entry(print).or_insert(groups.len())) {
            Some(group) if group < groups.len() => groups[group].push(place),
            _ => groups.push(vec![place]),
        }
    }
    groups
}

/// Equal for equal changes; `None` for what is shown alone.
fn print(entry: &Entry<'_>, hasher: &RandomState) -> Option<u64> {
    let source = entry.source;
    let (Some(before), Some(after)) = (source.change.before, source.change.after) else { return None };
    let is_alone = !entry.findings.is_empty()
        || entry.moved_from.is_some()
        || entry.deposed.is_some()
        || source.importing().is_some()
        || matches!(source.change.actions, Actions::NoOp | Actions::Other(_));
    if is_alone {
        return None;
    }
    // What becomes unknown was another value at each of them, which a group does not show.
    let unknown = source.change.after_unknown.filter(|mark| mark.get().contains("true"));
    let unknown = unknown.and_then(|mark| serde_json::from_str::<Members<'_, &RawValue>>(mark.get()).ok());
    let unknown = unknown.map_or(Vec::new(), |mark| mark.0);
    let mut state = hasher.build_hasher();
    (&source.kind, &source.change.actions, &entry.reason, &entry.replace_paths).hash(&mut state);
    marks(source, &mut state);
    differences(before, after, &unknown, &mut state);
    Some(state.finish())
}

fn marks(source: &ResourceChange<'_>, state: &mut impl Hasher) {
    let change = &source.change;
    for mark in [change.after_unknown, change.before_sensitive, change.after_sensitive] {
        mark.map(RawValue::get).filter(|mark| mark.contains("true")).hash(state);
    }
}

/// What differs, as it is written: only objects that differ are looked into. Of the members in `unknown` only the names
/// count.
fn differences(
    before: &RawValue,
    after: &RawValue,
    unknown: &[(Text<'_>, &RawValue)],
    state: &mut impl Hasher,
) {
    let (before, after) = (before.get(), after.get());
    if before == after {
        return;
    }
    let are_objects = before.starts_with('{') && after.starts_with('{');
    let read = |text| if are_objects { members(text) } else { None };
    let (Some(old), Some(new)) = (read(before), read(after)) else {
        (4_u8, before, after).hash(state);
        return;
    };
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    loop {
        match (old.peek(), new.peek()) {
            (Some((key, value)), Some((other, changed))) if key == other => {
                if value.get() != changed.get() {
                    (0_u8, key).hash(state);
                    differences(value, changed, &[], state);
                }
                old.next();
                new.next();
            }
            (Some((key, value)), other) if other.is_none_or(|(other, _)| key < other) => {
                let is_unknown = unknown.iter().any(|(name, mark)| name == key && mark.get() == "true");
                (1_u8, key, (!is_unknown).then(|| value.get())).hash(state);
                old.next();
            }
            (_, Some((key, value))) => {
                (2_u8, key, value.get()).hash(state);
                new.next();
            }
            _ => break,
        }
    }
    3_u8.hash(state);
}

/// The members of an object, as slices; `None` where the order of the file is not that of the keys.
fn members(text: &str) -> Option<Vec<(Text<'_>, &RawValue)>> {
    let Members(members) = serde_json::from_str(text).ok()?;
    members.is_sorted_by(|(a, _), (b, _)| a < b).then_some(members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::model::Plan;

    #[test]
    fn the_same_difference_groups_whatever_else_the_resources_hold() {
        let change = |name: &str, before: &str, after: &str| {
            format!(
                r#"{{"address":"x.{name}","type":"x","change":{{"actions":["update"],"before":{before},"after":{after}}}}}"#
            )
        };
        let changes = [
            change("a", r#"{"id":"1","tags":{"n":"a","v":"1"}}"#, r#"{"id":"1","tags":{"n":"a","v":"2"}}"#),
            change("b", r#"{"id":"2","tags":{"n":"b","v":"1"}}"#, r#"{"id":"2","tags":{"n":"b","v":"2"}}"#),
            change("c", r#"{"id":"3","tags":{"n":"c","v":"1"}}"#, r#"{"id":"3","tags":{"n":"c","v":"3"}}"#),
            change("d", r#"{"id":"4","tags":{"n":"d"},"v":"1"}"#, r#"{"id":"4","tags":{"n":"d"},"v":"2"}"#),
            change("e", r#"{"id":"5","v":"1"}"#, r#"{"id":"5"}"#),
            change("f", r#"{"id":"6"}"#, r#"{"id":"6","v":"1"}"#),
            change("g", r#"{"id":"7","v":"1"}"#, r#"{"id":"7"}"#),
        ];
        let json = format!(r#"{{"format_version":"1.2","resource_changes":[{}]}}"#, changes.join(","));
        let plan = Plan::parse(json.as_bytes()).unwrap();
        let entries: Vec<Entry<'_>> = plan.news().map(|source| Entry::of(source).unwrap()).collect();
        assert_eq!(groups(&entries), [vec![0, 1], vec![2], vec![3], vec![4, 6], vec![5]]);
    }
}
