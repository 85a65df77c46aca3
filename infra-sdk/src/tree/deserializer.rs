//! What serde asks of a place of a tree, answered by its reader.

use serde::de::{Deserializer, Visitor};

use crate::tree::Value;
use crate::tree::reader::{Reader, Source};
use crate::tree::walk::Stop;

macro_rules! integers {
    ($($method:ident $visit:ident $type:ty),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
            self.located(|mut reader| {
                let number = reader.integer(<$type>::MIN as i128, <$type>::MAX as i128);
                visitor.$visit(number as $type)
            })
        }
    )*};
}

macro_rules! scalars {
    ($($method:ident => |$reader:ident, $visitor:ident| $read:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, $visitor: V) -> Result<V::Value, Stop> {
            self.located(|mut $reader| $read)
        }
    )*};
}

impl<'de, 'a> Deserializer<'de> for Reader<'a> {
    type Error = Stop;

    integers! {
        deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32, deserialize_i64 visit_i64 i64,
        deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32, deserialize_u64 visit_u64 u64
    }

    scalars! {
        deserialize_f32 => |reader, visitor| visitor.visit_f32(reader.float() as f32);
        deserialize_f64 => |reader, visitor| visitor.visit_f64(reader.float());
        deserialize_bool => |reader, visitor| visitor.visit_bool(reader.boolean());
        deserialize_char => |reader, visitor| visitor.visit_str(reader.text("a character"));
        deserialize_str => |reader, visitor| visitor.visit_str(reader.text("a text"));
        deserialize_string => |reader, visitor| visitor.visit_str(reader.text("a text"));
        deserialize_identifier => |reader, visitor| visitor.visit_str(reader.text("a text"));
        deserialize_bytes => |reader, visitor| visitor.visit_bytes(reader.text("a text").as_bytes());
        deserialize_byte_buf => |reader, visitor| visitor.visit_bytes(reader.text("a text").as_bytes());
        deserialize_seq => |reader, visitor| visitor.visit_seq(reader.items());
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.located(|mut reader| match reader.source {
            Source::Tree(Value::Integer(number)) => visitor.visit_i64(*number),
            Source::Tree(Value::Float(number)) => visitor.visit_f64(*number),
            Source::Tree(Value::Boolean(yes)) => visitor.visit_bool(*yes),
            Source::Tree(Value::List(_)) => visitor.visit_seq(reader.items()),
            Source::Tree(Value::Table(_)) => visitor.visit_map(reader.entries()),
            Source::Tree(Value::Text(_) | Value::Loose(_) | Value::Secret(_))
            | Source::Loose(_)
            | Source::StandIn(_) => visitor.visit_str(reader.text("a text")),
        })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.located(|reader| match reader.source {
            Source::StandIn(_) => visitor.visit_none(),
            _ => visitor.visit_some(reader),
        })
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.located(|mut reader| {
            reader.wrong_type("nothing");
            visitor.visit_unit()
        })
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.located(|mut reader| {
            if name == crate::secret::MARKER {
                return visitor.visit_str(reader.secret_text());
            }
            // Counted, so that a type that holds nothing but itself comes to an end.
            reader.depth += 1;
            visitor.visit_newtype_struct(reader)
        })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Stop> {
        self.located(|reader| visitor.visit_seq(reader.fixed_items(length)))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.located(|reader| visitor.visit_map(reader.entries()))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.located(|reader| visitor.visit_map(reader.fields(fields)))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.located(|reader| visitor.visit_enum(reader.variant(variants)))
    }
}
