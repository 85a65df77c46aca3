//! Serde's view of what a value holds: the elements of a list, the entries of a table, the content of a variant.

use std::vec::IntoIter;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use crate::tree::Node;
use crate::tree::node::child;
use crate::tree::reader::{Reader, Source};
use crate::tree::walk::Stop;

pub(crate) struct Elements<'a>(pub(crate) IntoIter<Reader<'a>>);

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Stop;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Stop> {
        self.0.next().map(|reader| reader.located(|reader| seed.deserialize(reader))).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

pub(crate) struct Entries<'a> {
    pub(crate) rest: IntoIter<(&'a str, Reader<'a>)>,
    pub(crate) value: Option<Reader<'a>>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Stop;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Stop> {
        let Some((key, reader)) = self.rest.next() else { return Ok(None) };
        let read = seed.deserialize(key.into_deserializer()).map_err(|stop: Stop| stop.at_key(&reader.place));
        self.value = Some(reader);
        read.map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Stop> {
        match self.value.take() {
            Some(reader) => reader.located(|reader| seed.deserialize(reader)),
            None => Err(serde::de::Error::custom("a value was read before its key")),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

pub(crate) struct Variant<'a> {
    pub(crate) name: &'static str,
    pub(crate) content: Option<&'a Node>,
    pub(crate) reader: Reader<'a>,
}

impl<'a> Variant<'a> {
    /// The content of a variant that has one.
    fn content(mut self) -> Reader<'a> {
        let name = self.reader.walk.shown(self.name);
        let path = child(&self.reader.place.path, &name);
        if let Some(node) = self.content {
            return self.reader.below(node.into(), path, &node.origin);
        }
        let level = self.reader.wrong_type(&format!("a table with the key `{name}`"));
        self.reader.below(Source::StandIn(level), path, &self.reader.place.origin)
    }
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = Stop;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Stop> {
        Ok((seed.deserialize(self.name.into_deserializer())?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Stop;

    fn unit_variant(mut self) -> Result<(), Stop> {
        if self.content.is_some() {
            self.reader.wrong_type("a text");
        }
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Stop> {
        self.content().located(|reader| seed.deserialize(reader))
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Stop> {
        self.content().deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.content().deserialize_struct("", fields, visitor)
    }
}
