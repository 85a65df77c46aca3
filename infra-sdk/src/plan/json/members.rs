//! The members of an object in the order of the file, keys read and values left to their type.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::plan::json::Text;

/// The members of an object in the order of the file; a key that stands there twice is here twice.
pub(in crate::plan) struct Members<'a, T>(pub(in crate::plan) Vec<(Text<'a>, T)>);

impl<T> Default for Members<'_, T> {
    fn default() -> Self {
        Members(Vec::new())
    }
}

impl<'de: 'a, 'a, T: Deserialize<'de>> Deserialize<'de> for Members<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for All<T> {
            type Value = Vec<(Text<'de>, T)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(All(PhantomData)).map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_the_order_of_the_file_and_what_stands_there_twice() {
        let members: Members<'_, u8> = serde_json::from_str(r#"{"b": 1, "a": 2, "\u0062": 3}"#).unwrap();
        let members: Vec<(&str, u8)> = members.0.iter().map(|(key, value)| (&**key, *value)).collect();
        assert_eq!(members, [("b", 1), ("a", 2), ("b", 3)]);
        assert!(serde_json::from_str::<Members<'_, u8>>("[]").is_err());
    }
}
