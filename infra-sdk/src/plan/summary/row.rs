//! One line of a summary.

use std::fmt;

use serde::Serialize;

use crate::plan::model::{Actions, ResourceChange, Severity};
use crate::plan::plain::plain;

/// One resource with something to tell. Holds addresses, never values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Row {
    /// The resource.
    pub address: String,
    /// The key of an old object that waits to be destroyed; `None` for the current one.
    pub deposed: Option<String>,
    /// What is done, in order.
    pub actions: Actions,
    /// Why, in Terraform's words such as `replace_because_tainted`.
    pub reason: Option<String>,
    /// The attributes that force a replacement, as `tags.Name` or `rule[2].port`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replace_paths: Vec<String>,
    /// Its address before, when it is moved.
    pub moved_from: Option<String>,
    /// Whether it is taken into the state.
    pub import: bool,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its module; `None` for the root module.
    pub module: Option<String>,
    /// How much it can hurt.
    pub severity: Severity,
}

impl Row {
    /// The row of one entry.
    ///
    /// # Errors
    /// As [`Value::of`](crate::plan::Value::of).
    pub fn of(resource: &ResourceChange<'_>) -> crate::Result<Self> {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Ok(Row {
            address: resource.address.to_string(),
            deposed: owned(resource.deposed()),
            actions: resource.change.actions.clone(),
            reason: owned(resource.action_reason()),
            replace_paths: crate::plan::diff::forcing(resource)?,
            moved_from: owned(resource.previous_address()),
            import: resource.importing().is_some(),
            kind: resource.kind.to_string(),
            module: owned(resource.module_address.as_deref()),
            severity: resource.severity(),
        })
    }

    /// Terraform's sign, or a word where it has none.
    pub fn sign(&self) -> &'static str {
        match self.actions {
            Actions::NoOp if self.import => "import",
            Actions::NoOp => "move",
            Actions::Forget => "forget",
            _ => self.actions.sign(),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Keys in an address are free text and must not break out of their line.
        write!(f, "{:>6} {}", self.sign(), plain(&self.address))?;
        if let Some(deposed) = &self.deposed {
            write!(f, " (an old object, {})", plain(deposed))?;
        }
        if let Actions::Other(names) = &self.actions {
            write!(f, " ({})", plain(&names.join(", ")))?;
        }
        match &self.moved_from {
            Some(from) => write!(f, " (was {})", plain(from)),
            None => Ok(()),
        }
    }
}
