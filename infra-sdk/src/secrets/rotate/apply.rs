//! Making the step of a rotation, in an order that never leaves the old value without a place.

use std::fmt;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::names::SecretName;
use crate::secret::SecretValue;
use crate::secrets::change::SecretChange;
use crate::secrets::rotate::plan::{RotationPlan, RotationStep};
use crate::secrets::spec::generate;
use crate::secrets::store::SecretStore;

/// What a rotation did in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RotationReport {
    /// The secret.
    pub name: SecretName,
    /// The name of its old value.
    pub previous: SecretName,
    /// What was done.
    pub step: RotationStep,
    /// How messages call the store.
    pub store: String,
    /// The secrets that changed in the store: for the ledger.
    pub changed: Vec<SecretName>,
    /// The targets a sync has to write to now, by label.
    pub left: Vec<String>,
}

impl fmt::Display for RotationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, previous, store, .. } = self;
        match self.step {
            RotationStep::Begin => write!(f, "{store}: {name} has a new value, {previous} the old one")?,
            RotationStep::Continue => write!(f, "{store}: {name} is being rotated, and has its new value")?,
            RotationStep::Finish => write!(f, "{store}: {previous} is gone")?,
            RotationStep::Nothing => {
                write!(f, "{store}: nothing to do; finish when no program needs {previous} any more")?;
            }
        }
        self.left.iter().try_for_each(|target| write!(f, "\n  to write: {target}"))
    }
}

impl RotationPlan {
    /// Makes the step in the store; the targets are written by the next sync.
    ///
    /// The old value is kept before the new one takes its place, in one request if the store's requests carry both.
    /// A run that is killed at any point, or whose store fails, has lost neither; running it again completes it, except
    /// that a value which was supplied must be supplied again if it was not written.
    ///
    /// # Errors
    /// `Invalid` when there is no new value to begin with, when it equals the old one or is empty, or when one is
    /// supplied for a rotation that already has one; then nothing is written. What the store fails with.
    pub async fn apply(self, new: Option<SecretValue>, store: &dyn SecretStore) -> Result<RotationReport> {
        let changes = match self.step {
            RotationStep::Begin => self.replace(new)?,
            _ if new.is_some() => {
                return Err(Error::invalid("a rotation is under way already, and has its new value")
                    .with("secret", &self.name)
                    .hint(format!(
                        "finish it with `cargo xtask infra:secrets:rotate {} --finish`",
                        self.name
                    )));
            }
            RotationStep::Finish if self.old.is_some() => vec![SecretChange::delete(self.previous.clone())],
            RotationStep::Finish | RotationStep::Continue | RotationStep::Nothing => Vec::new(),
        };
        changes.iter().try_for_each(|change| store.check(change))?;
        // The parts of a batch may be made in any order, but a request is one.
        let together = store.costs().puts.max(1);
        for request in changes.chunks(together) {
            store.write(request).await?.complete(request)?;
        }
        Ok(RotationReport {
            changed: changes.iter().map(|change| change.name().clone()).collect(),
            name: self.name,
            previous: self.previous,
            step: self.step,
            store: store.name().to_owned(),
            left: self.left,
        })
    }

    /// The old value first: between the two writes it then has two places, not none.
    fn replace(&self, new: Option<SecretValue>) -> Result<Vec<SecretChange>> {
        let refuse = |why: &str, hint: String| Err(Error::invalid(why).with("secret", &self.name).hint(hint));
        let new = match (new, self.generate) {
            (Some(new), _) if new.is_empty() => {
                return refuse("the new value is empty", "supply the value the secret shall have".into());
            }
            (Some(new), _) => new,
            (None, Some(how)) => generate(how)?,
            (None, None) => {
                let hint = "give a program that prints it after `--`, or say in infra.toml how to make one: `generate = \"random:32\"` in";
                return refuse("there is no new value", format!("{hint} `[secrets.{}]`", self.name));
            }
        };
        let Some(old) = self.old.clone() else {
            return refuse("there is no old value to keep", "plan the rotation again".into());
        };
        if new == old {
            return refuse(
                "the new value is the old one",
                "get a new one from where the secret comes from".into(),
            );
        }
        Ok(vec![SecretChange::put(self.previous.clone(), old), SecretChange::put(self.name.clone(), new)])
    }
}
