//! A list of secret values in which none stands twice.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crate::secret::SecretValue;

/// Values in the order in which they came. Whether one is known takes the same time among a hundred thousand.
#[derive(Clone, Default)]
pub(crate) struct SecretSet {
    values: Vec<SecretValue>,
    // By the hash of a value, for the values themselves shall lie in no second place.
    places: HashMap<u64, Vec<usize>>,
    // Keyed at random: nobody can choose values that meet in one place.
    hasher: RandomState,
}

impl SecretSet {
    /// Adds a value; `false` when it was there.
    pub(crate) fn insert(&mut self, value: SecretValue) -> bool {
        let places = self.places.entry(self.hasher.hash_one(value.expose())).or_default();
        if places.iter().any(|place| self.values[*place] == value) {
            return false;
        }
        places.push(self.values.len());
        self.values.push(value);
        true
    }

    /// The values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &SecretValue> {
        self.values.iter()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stands_there_once_and_in_the_order_of_its_coming() {
        let mut set = SecretSet::default();
        assert!(set.insert(SecretValue::new("b")) && set.insert(SecretValue::new("a")));
        assert!(!set.insert(SecretValue::new("b")));
        assert_eq!(set.iter().map(SecretValue::expose).collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!(set.len(), 2);
    }
}
