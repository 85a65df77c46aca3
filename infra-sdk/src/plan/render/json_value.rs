//! A value of a plan as JSON again, for programs.

use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::plan::render::attribute::Shown;
use crate::plan::render::pieces::Pieces;

/// The text of a value without secrets, written as it is.
pub(super) struct JsonValue(String);

impl Shown for JsonValue {
    fn of(pieces: &Pieces) -> Self {
        JsonValue(pieces.to_string())
    }

    // It stays JSON: masking it as a whole could end a string too early.
    fn text(&mut self) -> Option<&mut String> {
        None
    }
}

impl Serialize for JsonValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.0.clone()).map_err(S::Error::custom)?.serialize(serializer)
    }
}
