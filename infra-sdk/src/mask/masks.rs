//! The values of one run that must not be shown, and the search for all of them at once.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aho_corasick::automaton::Automaton;
use aho_corasick::nfa::noncontiguous::NFA;
use aho_corasick::{Anchored, Input};

use crate::mask::{MaskStream, SecretSet, patterns};
use crate::secret::SecretValue;

/// The secret values of a run. Clones share one list, so a value added anywhere
/// is masked everywhere from then on.
///
/// A value is found as it is, line by line, inside JSON, and in its base64, URL
/// and JSON-escaped forms. What is shorter than four characters is not masked:
/// it would tear holes into every line.
///
/// ```
/// use infra_sdk::{Masks, SecretValue};
/// let masks = Masks::new();
/// masks.add(&SecretValue::new("hunter2"));
/// assert_eq!(masks.apply("login with hunter2"), "login with ***");
/// assert_eq!(masks.apply("authorization: aHVudGVyMg=="), "authorization: ***");
/// ```
#[derive(Clone, Default)]
pub struct Masks(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    values: SecretSet,
    // Looked for as they are, without their other spellings.
    patterns: Vec<String>,
    // Built by the first text after an addition.
    matcher: Option<Arc<Matcher>>,
}

impl Masks {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Masks `value` in all text from now on.
    pub fn add(&self, value: &SecretValue) {
        self.extend([value.clone()]);
    }

    /// Masks all of `values` from now on; quicker than one after the other, and linear in their number.
    pub fn extend(&self, values: impl IntoIterator<Item = SecretValue>) {
        let mut state = self.lock();
        for value in values {
            if state.values.insert(value) {
                state.matcher = None;
            }
        }
    }

    /// A list of its own with the same values: what is added to it is masked by it alone.
    pub(crate) fn fork(&self) -> Self {
        let fork = Masks::new();
        fork.extend(self.values());
        fork
    }

    /// The values that are masked.
    pub(crate) fn values(&self) -> Vec<SecretValue> {
        self.lock().values.iter().cloned().collect()
    }

    /// Masks exactly these texts, for a caller who knows which spellings of its values can turn up.
    pub(crate) fn of_patterns(patterns: Vec<String>) -> Self {
        Masks(Arc::new(Mutex::new(State { patterns, ..State::default() })))
    }

    /// A whole text with every known value replaced by `***`; borrowed when there was none.
    pub fn apply<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let matcher = self.matcher();
        if !matcher.is_match(text.as_bytes()) {
            return Cow::Borrowed(text);
        }
        let mut stream = MaskStream::new(self.clone());
        let mut masked = stream.push_with(&matcher, text.as_bytes());
        masked.extend(stream.finish());
        // Patterns are whole characters, so what remains between them is too.
        Cow::Owned(String::from_utf8_lossy(&masked).into_owned())
    }

    /// Masks text that arrives in pieces, such as the output of a program.
    pub fn stream(&self) -> MaskStream {
        MaskStream::new(self.clone())
    }

    pub(super) fn matcher(&self) -> Arc<Matcher> {
        let mut state = self.lock();
        if let Some(matcher) = &state.matcher {
            return matcher.clone();
        }
        let spelled = state.values.iter().flat_map(patterns);
        let matcher = Arc::new(Matcher::new(spelled.chain(state.patterns.iter().cloned()).collect()));
        state.matcher = Some(matcher.clone());
        matcher
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Masks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Masks({} values)", self.lock().values.len())
    }
}

/// Finds all patterns of a list of values in one pass.
pub(super) struct Matcher {
    // `None` when there is nothing to look for.
    automaton: Option<NFA>,
    // Sorted, for the question whether a text could still become a match.
    patterns: Vec<String>,
    first_bytes: [bool; 256],
    longest: usize,
}

impl Matcher {
    fn new(mut all: Vec<String>) -> Self {
        all.sort_unstable();
        all.dedup();
        let mut first_bytes = [false; 256];
        for pattern in &all {
            first_bytes[usize::from(pattern.as_bytes()[0])] = true;
        }
        // This kind is the quickest to build, which each new value asks for. It is
        // only refused for more states than a u32 counts: more than fits a run.
        let automaton = if all.is_empty() { None } else { NFA::new(&all).ok() };
        let longest = all.iter().map(String::len).max().unwrap_or(0);
        Matcher { automaton, patterns: all, first_bytes, longest }
    }

    fn is_match(&self, text: &[u8]) -> bool {
        let first = |automaton: &NFA| automaton.try_find(&Input::new(text).earliest(true));
        self.automaton.as_ref().is_some_and(|automaton| first(automaton).is_ok_and(|found| found.is_some()))
    }

    /// Every stretch of `text` that belongs to a match, in order and merged. Two
    /// values that overlap are both covered whole, where the leftmost match
    /// alone would leave the end of the second one to be read.
    pub(super) fn find(&self, text: &[u8]) -> Vec<(usize, usize)> {
        let mut found =
            self.automaton.as_ref().map_or_else(Vec::new, |automaton| longest_at(automaton, text));
        found.sort_unstable();
        let mut merged: Vec<(usize, usize)> = Vec::with_capacity(found.len());
        for (start, end) in found {
            match merged.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => merged.push((start, end)),
            }
        }
        merged
    }

    /// Where the end of `text` begins that more text could turn into a match.
    pub(super) fn undecided(&self, text: &[u8]) -> usize {
        let earliest = text.len().saturating_sub(self.longest.saturating_sub(1));
        (earliest..text.len()).find(|&start| self.could_grow(&text[start..])).unwrap_or(text.len())
    }

    fn could_grow(&self, end: &[u8]) -> bool {
        if !self.first_bytes[usize::from(end[0])] {
            return false;
        }
        // Patterns that start with `end` and are longer stand right behind it.
        let next = self.patterns.partition_point(|pattern| pattern.as_bytes() <= end);
        self.patterns.get(next).is_some_and(|pattern| pattern.as_bytes().starts_with(end))
    }
}

/// The longest match that ends at each place where one does: those it covers need no mask of their own, and listing them
/// all would take as long as the text times the patterns.
fn longest_at(automaton: &NFA, text: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let Ok(mut state) = automaton.start_state(Anchored::No) else { return found };
    for (at, byte) in text.iter().enumerate() {
        state = automaton.next_state(Anchored::No, state, *byte);
        if automaton.is_match(state) {
            // The pattern that leads to a state comes before those that are its end.
            let longest = automaton.pattern_len(automaton.match_pattern(state, 0));
            found.push((at + 1 - longest, at + 1));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masks(values: &[&str]) -> Masks {
        let masks = Masks::new();
        values.iter().for_each(|value| masks.add(&SecretValue::new(*value)));
        masks
    }

    #[test]
    fn text_without_a_value_is_not_copied() {
        assert!(matches!(masks(&["hunter2"]).apply("nothing here"), Cow::Borrowed(_)));
        assert!(matches!(Masks::new().apply("nothing here"), Cow::Borrowed(_)));
    }

    #[test]
    fn overlapping_and_touching_values_become_one_mask() {
        let masks = masks(&["abcdef", "defghi", "xyz1"]);
        assert_eq!(masks.apply("<abcdefghi>"), "<***>");
        assert_eq!(masks.apply("<abcdefxyz1>"), "<***>");
        assert_eq!(masks.apply("<abcdef xyz1>"), "<*** ***>");
    }

    #[test]
    fn a_value_inside_a_longer_one_does_not_shorten_its_mask() {
        assert_eq!(masks(&["pass", "password-of-mine"]).apply("is password-of-mine!"), "is ***!");
    }

    #[test]
    fn values_that_are_each_other_s_ends_take_one_pass_and_the_longest_counts() {
        let nested: Vec<String> = (4..500).map(|length| "a".repeat(length)).collect();
        let nested: Vec<&str> = nested.iter().map(String::as_str).collect();
        let text = format!("<{}>", "a".repeat(200_000));
        assert_eq!(masks(&nested).apply(&text), "<***>");
        assert_eq!(masks(&["2345", "012345", "45678"]).apply("<01234567>"), "<***67>");
        assert_eq!(masks(&["2345", "012345", "45678"]).apply("<012345678>"), "<***>");
    }

    #[test]
    fn a_value_added_later_is_masked_by_every_clone() {
        let masks = masks(&[]);
        let clone = masks.clone();
        assert_eq!(clone.apply("hunter2"), "hunter2");
        masks.add(&SecretValue::new("hunter2"));
        assert_eq!(clone.apply("hunter2"), "***");
    }

    #[test]
    fn many_values_at_once_are_masked_like_one_after_the_other() {
        let masks = Masks::new();
        masks.extend(["hunter2", "swordfish", "hunter2"].map(SecretValue::new));
        assert_eq!(masks.apply("hunter2 and swordfish"), "*** and ***");
        assert_eq!(format!("{masks:?}"), "Masks(2 values)");
    }

    #[test]
    fn debug_tells_only_how_many_values_there_are() {
        assert_eq!(format!("{:?}", masks(&["hunter2", "hunter2", "other"])), "Masks(2 values)");
    }
}
