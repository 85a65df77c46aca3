//! Lists, tables and variants on their way into a tree.

use std::collections::BTreeMap;

use serde::ser::{self, Serialize};

use crate::refs::serialize::{Part, Refused, Tree, kebab, node};
use crate::tree::{Node, Value};

/// The content of an enum's variant, under the variant's name.
pub(super) fn under_variant(variant: Option<&'static str>, value: Value) -> Value {
    match variant {
        Some(variant) => Value::Table(BTreeMap::from([(kebab(variant), node(value))])),
        None => value,
    }
}

/// A list that is being written.
pub(super) struct Items {
    items: Vec<Node>,
    variant: Option<&'static str>,
}

impl Items {
    pub(super) fn new(variant: Option<&'static str>) -> Self {
        Items { items: Vec::new(), variant }
    }

    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        let item = value.serialize(Tree)?;
        self.items
            .push(node(item.ok_or_else(|| Refused("a list with an element that is not there".into()))?));
        Ok(())
    }

    fn done(self) -> Part {
        Ok(Some(under_variant(self.variant, Value::List(self.items))))
    }
}

macro_rules! lists {
    ($($trait:ident $method:ident),*) => {$(
        impl ser::$trait for Items {
            type Ok = Option<Value>;
            type Error = Refused;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
                self.add(value)
            }
            fn end(self) -> Part {
                self.done()
            }
        }
    )*};
}
lists! {
    SerializeSeq serialize_element, SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field, SerializeTupleVariant serialize_field
}

/// A table that is being written.
pub(super) struct Entries {
    entries: BTreeMap<String, Node>,
    key: Option<String>,
    variant: Option<&'static str>,
}

impl Entries {
    pub(super) fn new(variant: Option<&'static str>) -> Self {
        Entries { entries: BTreeMap::new(), key: None, variant }
    }

    fn add<T: Serialize + ?Sized>(&mut self, name: String, value: &T) -> Result<(), Refused> {
        if let Some(value) = value.serialize(Tree)? {
            if self.entries.contains_key(&name) {
                return Err(Refused(format!("two fields with the name {}", crate::names::quoted(&name))));
            }
            self.entries.insert(name, node(value));
        }
        Ok(())
    }

    fn done(self) -> Part {
        Ok(Some(under_variant(self.variant, Value::Table(self.entries))))
    }
}

impl ser::SerializeMap for Entries {
    type Ok = Option<Value>;
    type Error = Refused;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refused> {
        match key.serialize(Tree)? {
            Some(Value::Text(text)) => self.key = Some(text),
            _ => return Err(Refused("a map with keys that are not text".into())),
        }
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        let key = self.key.take().ok_or_else(|| Refused("a map with a value before its key".into()))?;
        self.add(key, value)
    }

    fn end(self) -> Part {
        self.done()
    }
}

macro_rules! structs {
    ($($trait:ident),*) => {$(
        impl ser::$trait for Entries {
            type Ok = Option<Value>;
            type Error = Refused;
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Refused> {
                self.add(kebab(name), value)
            }
            fn end(self) -> Part {
                self.done()
            }
        }
    )*};
}
structs!(SerializeStruct, SerializeStructVariant);
