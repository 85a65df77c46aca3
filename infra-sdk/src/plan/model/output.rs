//! One output of a plan.

use serde_json::value::RawValue;

use crate::error::Result;
use crate::plan::json::{Mark, Text, Value};
use crate::plan::model::Change;

/// An entry of `output_changes`.
#[derive(Debug)]
pub struct OutputChange<'a> {
    /// The output's name.
    pub name: Text<'a>,
    /// What happens to its value.
    pub change: Change<'a>,
}

impl OutputChange<'_> {
    /// Whether the output is sensitive before or after.
    ///
    /// # Errors
    /// As [`Value::of`].
    pub fn is_sensitive(&self) -> Result<bool> {
        let any = |raw: Option<&RawValue>| Value::of_part(raw).map(|value| Mark::of(&value).is_any());
        Ok(any(self.change.before_sensitive)? || any(self.change.after_sensitive)?)
    }
}
