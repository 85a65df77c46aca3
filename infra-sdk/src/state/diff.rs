//! What changed from one state to another: addresses, and the paths of attributes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::error::{Error, ErrorKind, Result};
use crate::state::StateDocument;

/// Deeper than this two values are compared as text.
const DEPTH: usize = 60;

/// What changed from one state to another. It names attributes and never their values: a state does not mark all that is
/// secret, for which attributes are sensitive stands in the provider's schema.
///
/// ```
/// use infra_sdk::state::{StateDiff, StateDocument};
/// let state = |size: u32| format!(r#"{{"version": 4, "serial": {size}, "lineage": "l", "resources": [{{"mode": "managed",
///     "type": "disk", "name": "logs", "instances": [{{"attributes": {{"size": {size}}}}}]}}]}}"#);
/// let (from, to) = (state(1), state(2));
/// let (from, to) = (StateDocument::parse(from.as_bytes())?, StateDocument::parse(to.as_bytes())?);
/// assert_eq!(StateDiff::between(Some(&from), Some(&to))?.changed["disk.logs"], ["size"]);
/// # Ok::<(), infra_sdk::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StateDiff {
    /// Addresses that only the later state has.
    pub added: Vec<String>,
    /// Addresses that only the earlier state has.
    pub removed: Vec<String>,
    /// The paths of attributes that differ, by address.
    pub changed: BTreeMap<String, Vec<String>>,
    /// The serials of both.
    pub serials: (u64, u64),
}

impl StateDiff {
    /// Compares; `None` stands for no state at all.
    ///
    /// # Errors
    /// `Conflict` when they are of two histories: there is no change from one to the other. `Invalid` for attributes that
    /// are no JSON.
    pub fn between(from: Option<&StateDocument<'_>>, to: Option<&StateDocument<'_>>) -> Result<Self> {
        if let (Some(from), Some(to)) = (from, to)
            && from.lineage != to.lineage
        {
            return Err(Error::new(ErrorKind::Conflict, "these are of two histories of the state")
                .with("from", from.lineage.escape_debug())
                .with("to", to.lineage.escape_debug())
                .hint(
                    "choose copies of one lineage; `cargo xtask infra:state:show STACK` tells that of now",
                ));
        }
        let empty = BTreeMap::new();
        let old = from.map_or(&empty, |state| &state.instances);
        let new = to.map_or(&empty, |state| &state.instances);
        let mut diff = StateDiff {
            serials: (from.map_or(0, |state| state.serial), to.map_or(0, |state| state.serial)),
            added: new.keys().filter(|address| !old.contains_key(*address)).cloned().collect(),
            removed: old.keys().filter(|address| !new.contains_key(*address)).cloned().collect(),
            changed: BTreeMap::new(),
        };
        for (address, before) in old {
            let Some(after) = new.get(address) else { continue };
            let mut paths = Vec::new();
            differing(*before, *after, String::new(), 0, &mut paths)?;
            if !paths.is_empty() {
                diff.changed.insert(address.clone(), paths);
            }
        }
        Ok(diff)
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

impl fmt::Display for StateDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |text: &str| text.replace(char::is_control, "\u{fffd}");
        let (from, to) = self.serials;
        write!(f, "serial {from} to {to}")?;
        if self.is_empty() {
            return f.write_str(": no resource differs");
        }
        self.removed.iter().try_for_each(|address| write!(f, "\n - {}", plain(address)))?;
        self.added.iter().try_for_each(|address| write!(f, "\n + {}", plain(address)))?;
        let mut changed = self.changed.iter();
        changed.try_for_each(|(address, paths)| {
            write!(f, "\n ~ {}: {}", plain(address), plain(&paths.join(", ")))
        })
    }
}

/// Adds the paths at which two values differ. One level is read at a time, and numbers are compared as they are written.
fn differing(
    old: Option<&RawValue>,
    new: Option<&RawValue>,
    path: String,
    depth: usize,
    paths: &mut Vec<String>,
) -> Result<()> {
    let text = |value: Option<&RawValue>| value.map_or("null", RawValue::get).trim().to_owned();
    let (before, after) = (text(old), text(new));
    if before == after {
        return Ok(());
    }
    let here = |path: &str| if path.is_empty() { "all of it".to_owned() } else { path.to_owned() };
    if depth < DEPTH && before.starts_with('{') && after.starts_with('{') {
        let (old, new) = (object(&before)?, object(&after)?);
        let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for key in keys {
            let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
            let inner = match (path.is_empty(), plain) {
                (true, true) => key.clone(),
                (false, true) => format!("{path}.{key}"),
                (_, false) => format!("{path}[{key:?}]"),
            };
            differing(old.get(key).copied(), new.get(key).copied(), inner, depth + 1, paths)?;
        }
    } else if depth < DEPTH && before.starts_with('[') && after.starts_with('[') {
        let (old, new) = (array(&before)?, array(&after)?);
        // Where one was put in or taken out, the numbers of all others say nothing.
        if old.len() != new.len() {
            paths.push(here(&path));
            return Ok(());
        }
        for (index, (old, new)) in old.iter().zip(&new).enumerate() {
            differing(Some(old), Some(new), format!("{path}[{index}]"), depth + 1, paths)?;
        }
    } else if !same_text(&before, &after) {
        paths.push(here(&path));
    }
    Ok(())
}

/// Whether both are texts that differ only in how they are escaped.
fn same_text(before: &str, after: &str) -> bool {
    let text = |json: &str| serde_json::from_str::<String>(json).ok();
    text(before).is_some_and(|before| text(after) == Some(before))
}

fn object(text: &str) -> Result<BTreeMap<String, &RawValue>> {
    serde_json::from_str(text).map_err(|error| unreadable(&error))
}

fn array(text: &str) -> Result<Vec<&RawValue>> {
    serde_json::from_str(text).map_err(|error| unreadable(&error))
}

fn unreadable(error: &serde_json::Error) -> Error {
    Error::invalid("the attributes of a resource can not be read")
        .with("column", error.column())
        .hint("choose a copy that is whole: `cargo xtask infra:state:history STACK` shows them")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(lineage: &str, serial: u64, attributes: &[(&str, &str)]) -> String {
        let resources: Vec<String> = attributes
            .iter()
            .map(|(name, json)| {
                format!(
                    r#"{{"mode":"managed","type":"a","name":"{name}","instances":[{{"attributes":{json}}}]}}"#
                )
            })
            .collect();
        format!(
            r#"{{"version":4,"serial":{serial},"lineage":"{lineage}","resources":[{}]}}"#,
            resources.join(",")
        )
    }

    fn between(from: &str, to: &str) -> Result<StateDiff> {
        let (from, to) = (StateDocument::parse(from.as_bytes())?, StateDocument::parse(to.as_bytes())?);
        StateDiff::between(Some(&from), Some(&to))
    }

    #[test]
    fn what_differs_is_named_by_its_path_and_no_value_shows() {
        let from = state(
            "l",
            1,
            &[
                ("gone", "{}"),
                ("same", r#"{"x": "\u003c", "n": 1}"#),
                (
                    "kept",
                    r#"{"password":"canary1","tags":{"a b":1,"n":12345678901234567890},"list":[1,{"x":2}],"more":[1]}"#,
                ),
            ],
        );
        let to = state(
            "l",
            2,
            &[
                ("new", "{}"),
                ("same", r#"{"n":1,"x":"<"}"#),
                (
                    "kept",
                    r#"{"password":"canary2","tags":{"a b":2,"n":12345678901234567891},"list":[1,{"x":3}],"more":[1,2]}"#,
                ),
            ],
        );
        let diff = between(&from, &to).unwrap();
        assert_eq!(
            diff.to_string(),
            "serial 1 to 2\n - a.gone\n + a.new\n ~ a.kept: list[1].x, more, password, tags[\"a b\"], tags.n"
        );
        assert!(!serde_json::to_string(&diff).unwrap().contains("canary"));
        assert!(between(&to, &to).unwrap().is_empty());
    }

    #[test]
    fn two_histories_are_not_compared() {
        let error = between(&state("one", 1, &[]), &state("two", 1, &[])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().contains("two histories") && !error.hints().is_empty());
    }

    #[test]
    fn a_value_of_any_depth_is_compared() {
        let deep = |leaf: &str| format!("{}{leaf}{}", "[".repeat(100), "]".repeat(100));
        let state = |leaf: &str| state("l", 1, &[("a", &format!("{{\"x\":{}}}", deep(leaf)))]);
        assert_eq!(between(&state("1"), &state("2")).unwrap().changed["a.a"].len(), 1);
    }
}
