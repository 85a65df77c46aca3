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
        Ok(is_marked(self.change.before_sensitive)? || self.stays_sensitive()?)
    }

    /// Whether it is marked as sensitive after the apply. Terraform marks both sides where one is, so that a mark which is
    /// taken off shows only in files that say it by themselves.
    ///
    /// # Errors
    /// As [`Value::of`].
    pub fn stays_sensitive(&self) -> Result<bool> {
        is_marked(self.change.after_sensitive)
    }
}

fn is_marked(raw: Option<&RawValue>) -> Result<bool> {
    Ok(Mark::of(&Value::of_part(raw)?).is_any())
}
