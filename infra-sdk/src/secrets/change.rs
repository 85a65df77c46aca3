//! Changes to a store of secrets, and what became of them.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::names::SecretName;
use crate::secret::SecretValue;
use crate::secrets::store::Stamp;

/// One change to a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretChange {
    /// Create or replace a secret.
    Put {
        /// Its name.
        name: SecretName,
        /// Its new value.
        value: SecretValue,
        /// What tells this write from every other one, 32 hexadecimal digits. A store whose versions are named by the
        /// caller takes it: the same write made again is then one version.
        token: Option<String>,
    },
    /// Remove a secret.
    Delete {
        /// Its name.
        name: SecretName,
    },
}

impl SecretChange {
    /// A put without a token.
    pub fn put(name: SecretName, value: SecretValue) -> Self {
        SecretChange::Put { name, value, token: None }
    }

    /// A delete.
    pub fn delete(name: SecretName) -> Self {
        SecretChange::Delete { name }
    }

    /// The secret that changes.
    pub fn name(&self) -> &SecretName {
        match self {
            SecretChange::Put { name, .. } | SecretChange::Delete { name } => name,
        }
    }

    /// Refuses what no store may take: a secret named twice, an empty value, a NUL byte. Every store asks this first.
    ///
    /// # Errors
    /// `Invalid`, naming the secret.
    pub fn check_batch(changes: &[SecretChange]) -> Result<()> {
        let mut seen = BTreeSet::new();
        for change in changes {
            let refuse =
                |why: &str, hint: &str| Err(Error::invalid(why).with("secret", change.name()).hint(hint));
            if !seen.insert(change.name()) {
                return refuse("one batch changes a secret twice", "send one change for each secret");
            }
            match change {
                SecretChange::Put { value, .. } if value.is_empty() => {
                    return refuse("a secret's value is empty", "give it a value, or delete the secret");
                }
                SecretChange::Put { value, .. } if value.expose().contains('\0') => {
                    return refuse("a secret's value has a NUL byte", "store it as base64");
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Written {
    /// The secret that changed.
    pub name: SecretName,
    /// The stamp of a put, where the store tells it without being asked again; `None` for a delete.
    pub stamp: Option<Stamp>,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub struct WriteReport {
    /// The changes that were made.
    pub written: Vec<Written>,
    /// Why the others were not made; `None` when all were.
    pub failure: Option<Error>,
}

impl WriteReport {
    /// A batch that was made as a whole.
    pub fn all(written: Vec<Written>) -> Self {
        WriteReport { written, failure: None }
    }

    /// The changes, if all of `changes` were made.
    ///
    /// # Errors
    /// The failure, with the number of changes made and the names of those that were not.
    pub fn complete(self, changes: &[SecretChange]) -> Result<Vec<Written>> {
        let Some(failure) = self.failure else { return Ok(self.written) };
        let done: BTreeSet<&SecretName> = self.written.iter().map(|written| &written.name).collect();
        let left: Vec<&str> = changes
            .iter()
            .map(SecretChange::name)
            .filter(|name| !done.contains(name))
            .map(SecretName::as_str)
            .collect();
        let kind = failure.kind();
        let again = failure.is_retryable();
        let error = Error::new(kind, "some secrets were not written")
            .with("written", done.len())
            .with("left", left.join(", "))
            .because(failure)
            .hint("do the same again: what was written stays as it is");
        Err(if again { error.retryable() } else { error })
    }
}

impl fmt::Display for WriteReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets written", self.written.len())?;
        if let Some(failure) = &self.failure {
            write!(f, ", then: {failure}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_batch_that_stopped_in_the_middle_names_what_is_left() {
        let name = |text: &str| SecretName::new(text).unwrap();
        let changes = [
            SecretChange::put(name("A"), SecretValue::new("canary")),
            SecretChange::Delete { name: name("B") },
        ];
        let report = WriteReport {
            written: vec![Written { name: name("A"), stamp: None }],
            failure: Some(Error::new(ErrorKind::Unavailable, "the store is busy").retryable()),
        };
        let error = report.complete(&changes).unwrap_err();
        assert_eq!(error.to_string(), "some secrets were not written (written: 1, left: B)");
        assert!(error.is_retryable() && !format!("{error:?}{changes:?}").contains("canary"));
    }
}
