//! Comparing what one change does to each attribute.

use crate::plan::json::Value;
use crate::plan::verdict::Weight;
use crate::plan::verdict::comparison::Reasons;
use crate::plan::verdict::entry::{Attribute, Entry, Step, Values, same};
use crate::plan::verdict::print::{Node, Print, Seal, item, member};
use crate::plan::verdict::probe::{Outcome, probe};

/// One resource that both plans change.
pub(super) struct Contents<'c> {
    pub(super) seal: Seal<'c>,
    pub(super) approved: &'c Entry,
    pub(super) values: &'c Values<'c>,
    /// How the re-plan calls the resource.
    pub(super) address: &'c str,
}

impl Contents<'_> {
    /// Compares every attribute before and after.
    pub(super) fn compare(&self, reasons: &mut Reasons) {
        let mut names = self.values.names();
        names.extend(self.approved.attributes.keys().map(String::as_str));
        // What is made anew has nothing before: that is told by the action.
        let with_before = !self.values.all_before().is_nothing() && self.approved.has_before();
        let with_after = !self.values.all_after().is_nothing();
        for name in names {
            self.attribute(name, with_before, with_after, reasons);
        }
        self.marks(reasons);
    }

    fn attribute(&self, name: &str, with_before: bool, with_after: bool, reasons: &mut Reasons) {
        let path = member("", name);
        let approved = self.approved.attributes.get(name);
        let approved_after = approved.and_then(Attribute::after);
        let (before, after) = (self.values.before(name), self.values.after(name));
        let stamp = (!before.is_nothing()).then(|| self.seal.stamp(&path, before.value));
        let differs = with_before && stamp != approved.and_then(Attribute::before);
        let is_set = !after.is_nothing() && !after.unknown.is_whole() && !same(before.value, after.value);
        let mut found =
            if with_after { probe(self.seal, &path, approved_after.as_ref(), after) } else { Vec::new() };
        let shown = quote(&path);
        // The resource goes as a whole, in both plans.
        let goes = !with_after && approved_after.is_none();
        if differs {
            let is_wanted = approved.is_some_and(Attribute::is_set);
            if is_wanted && self.is_already(&path, approved_after.as_ref(), before) {
                reasons.add(Weight::Narrower, self.address, format!("{shown} is already what was approved"));
            } else if !is_wanted
                && approved.and_then(Attribute::before).is_some()
                && is_moment(before.value)
                && (goes || left_alone(before, after, approved_after.as_ref()))
            {
                let what = format!("{shown} is another point in time, which neither plan sets");
                reasons.add(Weight::Same, self.address, what);
                // The value that stays differs for the same reason; anything else is told.
                found.retain(|(outcome, _)| *outcome != Outcome::Changed);
            } else {
                let what = format!("{shown} is not what it was at the review: it was changed since");
                reasons.add(Weight::Wider, self.address, what);
                // The value that stays differs for the same reason.
                if !is_set {
                    found.retain(|(outcome, _)| *outcome == Outcome::NowUnknown);
                }
            }
        }
        let stays = matches!(approved, Some(Attribute::Stays(_)) | None) && with_before && !differs;
        for (outcome, path) in found {
            let (weight, what) = sentence(outcome, &quote(&path), stays);
            reasons.add(weight, self.address, what);
        }
    }

    /// Whether the known part of what was approved is there.
    fn is_already(&self, path: &str, approved: Option<&Print>, before: Node<'_>) -> bool {
        let found = probe(self.seal, path, approved, before);
        found.iter().all(|(outcome, _)| *outcome == Outcome::Resolved)
    }

    /// A value that was marked and is not any more would be shown from now on.
    fn marks(&self, reasons: &mut Reasons) {
        let hidden = &self.approved.hidden;
        let sides = [(&hidden.before, self.values.all_before()), (&hidden.after, self.values.all_after())];
        for (paths, all) in sides {
            for steps in paths.iter().filter(|steps| is_shown(all, steps)) {
                let place = if steps.is_empty() { "its value".to_owned() } else { quote(&path(steps)) };
                let what = format!("{place} was sensitive and would be shown from now on");
                reasons.add(Weight::Wider, self.address, what);
            }
        }
    }
}

/// Whether neither plan does anything to a value: the re-plan keeps it, or it is unknown in both. A value that the re-plan takes away or makes unknown is one that it sets.
fn left_alone(before: Node<'_>, after: Node<'_>, approved: Option<&Print>) -> bool {
    let keeps = !after.unknown.is_any() && same(before.value, after.value);
    let is_unknown = after.unknown.is_whole() && approved.is_some_and(Print::is_unknown);
    keeps || is_unknown
}

/// Whether there is a value at the path, without a mark of its own or above it.
pub(super) fn is_shown(all: Node<'_>, steps: &[Step]) -> bool {
    let mut node = all;
    for step in steps {
        node = match step {
            Step::Member(key) => node.member(key),
            Step::Item(index) => node.item(*index),
        };
    }
    !node.is_nothing() && !node.sensitive.is_whole()
}

fn path(steps: &[Step]) -> String {
    steps.iter().fold(String::new(), |path, step| match step {
        Step::Member(key) => member(&path, key),
        Step::Item(index) => item(&path, *index),
    })
}

fn quote(path: &str) -> String {
    if path.is_empty() { "its value".to_owned() } else { format!("`{path}`") }
}

fn sentence(outcome: Outcome, path: &str, stays: bool) -> (Weight, String) {
    match outcome {
        Outcome::Resolved => (Weight::Resolved, format!("{path} was unknown and is known now")),
        Outcome::Changed if stays => (Weight::Wider, format!("{path} changes, which was not to change")),
        Outcome::Changed => (Weight::Wider, format!("{path} becomes another value than approved")),
        Outcome::Added => (Weight::Wider, format!("{path} is set, which was not to be set")),
        Outcome::Gone => (Weight::Wider, format!("{path} is not set any more")),
        Outcome::NowUnknown => (Weight::Wider, format!("{path} is not known before the apply any more")),
        Outcome::Opaque => (
            Weight::Wider,
            format!("{path} nests too deep, partly unknown, to be held against the approved one"),
        ),
    }
}

/// Whether a value is a date with a time, as services tell of themselves: `2026-11-20T09:34:14Z`. Such a one changes from
/// plan to plan by itself.
pub(super) fn is_moment(value: &Value<'_>) -> bool {
    let Some(text) = value.as_str() else { return false };
    let shape = b"0000-00-00T00:00:00";
    let bytes = text.as_bytes();
    (20..=35).contains(&bytes.len())
        && shape.iter().zip(bytes).all(|(shape, byte)| match shape {
            b'0' => byte.is_ascii_digit(),
            other => byte == other,
        })
        && bytes[shape.len()..]
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b':' | b'+' | b'-' | b'Z'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dates_with_times_are_moments() {
        for (text, expected) in [
            ("2026-11-20T09:34:14Z", true),
            ("2026-11-20T09:34:14.326+02:00", true),
            ("2026-11-20", false),
            ("2026-11-20T09:34:14Z; rm -rf", false),
            ("9.9.9", false),
            ("", false),
        ] {
            assert_eq!(is_moment(&Value::String(text.into())), expected, "{text}");
        }
    }
}
