//! The ports to stores of secrets: all can be written to, some give values back.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::names::SecretName;
use crate::secret::SecretValue;
use crate::time::Timestamp;

/// A store of secrets that can be listed and written to; many never give a value back.
///
/// # Contract
/// 1. A store nobody has written to lists nothing.
/// 2. `list` gives each secret once, sorted by name, without its value; names that cannot be a
///    [`SecretName`] are somebody else's and are left out.
/// 3. After a put the secret is listed; a second put of the same name replaces it.
/// 4. Where a store has stamps, every put of a name changes its stamp, also when the value stays the same or the name was
///    deleted in between; `list` shows the stamp that the put reported.
/// 5. A delete removes the secret; deleting one that is not there succeeds and is reported as written.
/// 6. A batch may be empty, and may be larger than what one request of the store can carry.
/// 7. A batch that names a secret twice, puts an empty value or one with a NUL byte, or holds a name or value this store
///    cannot take, fails with `Invalid` before anything is written.
/// 8. Each change is made whole or not at all. The batch as a whole is not promised to be: when the store fails in the
///    middle, [`WriteReport::written`] lists what was done and [`WriteReport::failure`] says why the rest was not. A change
///    that is not listed may still have been made if the failure is retryable; making it again does no harm.
/// 9. The report lists each change that was made once, in any order.
/// 10. Secrets that the batch does not name stay as they are.
/// 11. No error, report or list holds a value.
#[async_trait]
pub trait SecretStore: Send + Sync {
    /// How messages call this store.
    fn name(&self) -> &str;

    /// All secrets in the store, without their values.
    ///
    /// # Errors
    /// `Denied`, `Unavailable` or `Io`.
    async fn list(&self) -> Result<Vec<StoredSecret>>;

    /// Makes changes, with as few requests as the store allows.
    ///
    /// # Errors
    /// When nothing was written: `Invalid` for a batch the store cannot take; `Denied`, `Unavailable` or `Io`.
    /// What fails later stands in the report: see [`WriteReport::complete`].
    async fn write(&self, changes: &[SecretChange]) -> Result<WriteReport>;
}

/// A store that gives values back.
///
/// # Contract
/// 1. `get` gives the value of the last put exactly, or `None` if there is none.
/// 2. `get_all` gives every secret that `get` gives.
#[async_trait]
pub trait SecretSource: Send + Sync {
    /// How messages call this store.
    fn name(&self) -> &str;

    /// One value; `None` when it is not there.
    ///
    /// # Errors
    /// `Denied`, `Unavailable` or `Io`.
    async fn get(&self, secret: &SecretName) -> Result<Option<SecretValue>>;

    /// All values.
    ///
    /// # Errors
    /// `Denied`, `Unavailable` or `Io`.
    async fn get_all(&self) -> Result<BTreeMap<SecretName, SecretValue>>;
}

/// What a store tells to recognise one write of a secret: a version, a time, a number. Opaque, compared for equality only.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stamp(String);

impl Stamp {
    /// A stamp as the store gave it.
    pub fn new(stamp: impl Into<String>) -> Self {
        Stamp(stamp.into())
    }

    /// The stamp as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A secret in a store, without its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoredSecret {
    /// Its name.
    pub name: SecretName,
    /// Which write it comes from, where the store tells.
    pub stamp: Option<Stamp>,
    /// When it was written, where the store tells.
    pub updated: Option<Timestamp>,
}

/// One change to a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretChange {
    /// Create or replace a secret.
    Put {
        /// Its name.
        name: SecretName,
        /// Its new value.
        value: SecretValue,
    },
    /// Remove a secret.
    Delete {
        /// Its name.
        name: SecretName,
    },
}

impl SecretChange {
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
            SecretChange::Put { name: name("A"), value: SecretValue::new("canary") },
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
