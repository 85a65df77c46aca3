//! A serde format that turns a struct into a tree of values under kebab-case names.

use std::fmt;

use serde::ser::{self, Serialize, Serializer};

use crate::error::{Error, Result};
use crate::refs::compound::{Entries, Items, under_variant};
use crate::secret::{self, SecretValue};
use crate::tree::{Node, Origin, Value};

/// The tree of a value; `None` when it is an absent option.
pub(crate) fn tree<T: Serialize + ?Sized>(value: &T) -> Result<Option<Value>> {
    secret::exposing(|| value.serialize(Tree)).map_err(|Refused(why)| {
        Error::invalid(format!("a value cannot be published: {why}"))
            .hint("publish structs, maps with text as keys, lists, texts, numbers, switches and secrets")
    })
}

/// The name of a field as it stands in a path.
pub(crate) fn kebab(name: &str) -> String {
    name.replace('_', "-")
}

/// A value as a node; it stands in no file, so its place has no name.
pub(crate) fn node(value: Value) -> Node {
    Node::new(value, Origin::named(""))
}

pub(super) struct Tree;

/// Why a value has no place in a tree; never the value itself.
#[derive(Debug)]
pub(super) struct Refused(pub(super) String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl ser::Error for Refused {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Refused(message.to_string())
    }
}

pub(super) type Part = Result<Option<Value>, Refused>;

macro_rules! integers {
    ($($method:ident $type:ty),*) => {$(
        fn $method(self, number: $type) -> Part {
            // Numbers beyond 64 bits with a sign are kept as the text they become anyway.
            Ok(Some(i64::try_from(number).map_or_else(|_| Value::Text(number.to_string()), Value::Integer)))
        }
    )*};
}

impl Serializer for Tree {
    type Ok = Option<Value>;
    type Error = Refused;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Items;
    type SerializeMap = Entries;
    type SerializeStruct = Entries;
    type SerializeStructVariant = Entries;

    integers! {
        serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64, serialize_i128 i128,
        serialize_u8 u8, serialize_u16 u16, serialize_u32 u32, serialize_u64 u64, serialize_u128 u128
    }

    fn serialize_bool(self, yes: bool) -> Part {
        Ok(Some(Value::Boolean(yes)))
    }

    fn serialize_f32(self, number: f32) -> Part {
        // Written by way of its own digits, or 0.1 would become 0.10000000149011612.
        self.serialize_f64(number.to_string().parse().unwrap_or(f64::NAN))
    }

    fn serialize_f64(self, number: f64) -> Part {
        if number.is_finite() {
            Ok(Some(Value::Float(number)))
        } else {
            Err(Refused("a number that is infinite or none".into()))
        }
    }

    fn serialize_char(self, c: char) -> Part {
        Ok(Some(Value::Text(c.to_string())))
    }

    fn serialize_str(self, text: &str) -> Part {
        Ok(Some(Value::Text(text.to_owned())))
    }

    fn serialize_bytes(self, _: &[u8]) -> Part {
        Err(Refused("bytes that are not text".into()))
    }

    fn serialize_none(self) -> Part {
        Ok(None)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Part {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Part {
        Err(Refused("a value without content".into()))
    }

    fn serialize_unit_struct(self, _: &'static str) -> Part {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Part {
        Ok(Some(Value::Text(kebab(variant))))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Part {
        let inner = value.serialize(self)?;
        Ok(match inner {
            Some(Value::Text(text)) if name == secret::MARKER => Some(Value::Secret(SecretValue::new(text))),
            inner => inner,
        })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Part {
        let inner = value.serialize(self)?.ok_or_else(|| Refused(format!("`{variant}` without content")))?;
        Ok(Some(under_variant(Some(variant), inner)))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items, Refused> {
        Ok(Items::new(None))
    }

    fn serialize_tuple(self, _: usize) -> Result<Items, Refused> {
        self.serialize_seq(None)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items, Refused> {
        self.serialize_seq(None)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Items, Refused> {
        Ok(Items::new(Some(variant)))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries, Refused> {
        Ok(Entries::new(None))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Entries, Refused> {
        self.serialize_map(None)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Entries, Refused> {
        Ok(Entries::new(Some(variant)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn what_has_no_place_in_a_tree_is_refused_without_showing_it() {
        let numbers = BTreeMap::from([(1, "canary")]);
        for error in [
            tree(&numbers).unwrap_err(),
            tree(&f64::NAN).unwrap_err(),
            tree(&()).unwrap_err(),
            tree(&[Some("canary"), None]).unwrap_err(),
        ] {
            let text = error.report().to_string();
            assert!(text.contains("cannot be published") && !text.contains("canary"), "{text}");
        }
    }

    #[test]
    fn numbers_keep_their_digits() {
        assert!(matches!(tree(&0.1_f32).unwrap(), Some(Value::Float(number)) if number == 0.1));
        assert!(matches!(tree(&u64::MAX).unwrap(), Some(Value::Text(text)) if text == u64::MAX.to_string()));
        assert!(tree(&None::<u8>).unwrap().is_none());
    }
}
