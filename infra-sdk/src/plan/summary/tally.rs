//! Counting by name while a plan is gone through.

use std::collections::{BTreeMap, HashMap};

use crate::plan::summary::Counts;

/// Counts by name. A plan lists what belongs together one after the other, so the name is mostly that of before;
/// names are copied only at the end, once each.
#[derive(Default)]
pub(super) struct Tally<'p> {
    places: HashMap<&'p str, usize>,
    counts: Vec<(&'p str, Counts)>,
    last: usize,
}

impl<'p> Tally<'p> {
    /// Adds to what `name` has.
    pub(super) fn add(&mut self, name: &'p str, counts: &Counts) {
        if self.counts.get(self.last).is_none_or(|(before, _)| *before != name) {
            self.last = *self.places.entry(name).or_insert_with(|| {
                self.counts.push((name, Counts::default()));
                self.counts.len() - 1
            });
        }
        self.counts[self.last].1.add_all(counts);
    }

    /// All of it, by name.
    pub(super) fn into_map(self) -> BTreeMap<String, Counts> {
        self.counts.into_iter().map(|(name, counts)| (name.to_owned(), counts)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_what_was_added_to_it_in_whatever_order() {
        let one = Counts { add: 1, ..Counts::default() };
        let mut tally = Tally::default();
        for name in ["b", "b", "a", "b", "c", "a", ""] {
            tally.add(name, &one);
        }
        let found: Vec<_> = tally.into_map().into_iter().map(|(name, counts)| (name, counts.add)).collect();
        assert_eq!(found, [("".into(), 1), ("a".into(), 2), ("b".into(), 3), ("c".into(), 1)]);
    }
}
