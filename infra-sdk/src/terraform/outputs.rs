//! Outputs of a stack, raw or as the caller's own struct.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};

/// One output of a stack.
#[derive(Clone, PartialEq, Deserialize)]
pub struct Output {
    /// Its value.
    pub value: Value,
    /// Whether the code marks it as sensitive; then it must not be shown.
    #[serde(default)]
    pub sensitive: bool,
}

/// Shows a sensitive value as `[secret]`.
impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.sensitive { f.write_str("[secret]") } else { fmt::Debug::fmt(&self.value, f) }
    }
}

/// Reads what `terraform output -json` prints.
pub(super) fn parse(json: &str) -> Result<BTreeMap<String, Output>> {
    serde_json::from_str(json).map_err(|error| {
        // The cause could quote a value, so only its place is told.
        Error::invalid("read the outputs that Terraform prints")
            .with("line", error.line())
            .hint("check the version of Terraform with `cargo xtask infra:tools:check`")
    })
}
