//! The members of an object as slices of the file, without trees.

use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::names::quoted;
use crate::plan::json::{self, Text};

/// The members of an object, sorted by key.
#[derive(Default)]
pub(super) struct Members<'a>(Vec<(Text<'a>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Those of `raw`: none when it is missing or `null`, nothing at all when it is no object.
    ///
    /// # Errors
    /// `Invalid` when a key stands there twice.
    pub(super) fn of(raw: Option<&'a RawValue>) -> Result<Option<Self>> {
        let text = raw.map_or("null", RawValue::get);
        if text == "null" {
            return Ok(Some(Members::default()));
        }
        if !text.starts_with('{') {
            return Ok(None);
        }
        // The text was checked when the file was read; what can still be wrong is half of a surrogate pair in a key.
        let json::Members(mut members) = serde_json::from_str(text).map_err(|_| {
            Error::invalid("a key in the plan is no text")
                .hint("make the plan again with `terraform show -json`")
        })?;
        members.sort_by(|a, b| a.0.cmp(&b.0));
        if let Some(twice) = members.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(Error::invalid(format!(
                "an object in the plan has the key {} twice",
                quoted(&twice[0].0)
            ))
            .hint("programs do not agree which of the two counts: make the plan again"));
        }
        Ok(Some(Members(members)))
    }

    /// The slice of the member `key`; `null` is none.
    pub(super) fn get(&self, key: &str) -> Option<&'a RawValue> {
        let at = self.0.binary_search_by(|(name, _)| (**name).cmp(key)).ok()?;
        Some(self.0[at].1).filter(|raw| raw.get() != "null")
    }

    /// The keys, in order.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| &**key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_slices_in_order_and_a_key_twice_is_refused() {
        let raw = |text: &'static str| -> &'static RawValue { serde_json::from_str(text).unwrap() };
        let members = Members::of(Some(raw(r#"{"b": [1, 2],"a\u0062":null,"a":1.0}"#))).unwrap().unwrap();
        assert_eq!(members.keys().collect::<Vec<_>>(), ["a", "ab", "b"]);
        assert_eq!(members.get("b").unwrap().get(), "[1, 2]");
        assert!(members.get("ab").is_none() && members.get("c").is_none());
        assert_eq!(Members::of(None).unwrap().unwrap().keys().count(), 0);
        assert!(Members::of(Some(raw("[1]"))).unwrap().is_none());
        let error = Members::of(Some(raw(r#"{"a":1,"\u0061":2}"#))).err().unwrap();
        assert!(error.to_string().contains("`a` twice"), "{error}");
    }
}
