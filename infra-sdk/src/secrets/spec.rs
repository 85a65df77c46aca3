//! The secrets that one environment needs, out of all that `infra.toml` declares.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::config::{Generate, SecretSpec};
use crate::error::{Error, Result};
use crate::id;
use crate::names::{EnvName, SecretName};
use crate::secret::SecretValue;

/// What an environment needs.
///
/// ```
/// use infra_sdk::secrets::Needs;
/// # fn main() -> infra_sdk::Result<()> {
/// let declared = [("DATABASE_URL".parse()?, infra_sdk::config::SecretSpec::default())].into();
/// let needs = Needs::of(&declared, &"local".parse()?);
/// assert!(needs.get(&"DATABASE_URL".parse()?).is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Needs {
    needed: BTreeMap<SecretName, SecretSpec>,
    elsewhere: BTreeSet<SecretName>,
}

impl Needs {
    /// Takes from `[secrets]` what `env` needs.
    pub fn of(declared: &BTreeMap<SecretName, SecretSpec>, env: &EnvName) -> Self {
        let (mut needed, mut elsewhere) = (BTreeMap::new(), BTreeSet::new());
        for (name, spec) in declared {
            if spec.envs.is_empty() || spec.envs.contains(env) {
                needed.insert(name.clone(), spec.clone());
            } else {
                elsewhere.insert(name.clone());
            }
        }
        Needs { needed, elsewhere }
    }

    /// The same without what the organisation owns, which no product can write; it stays declared.
    #[must_use]
    pub fn own(mut self) -> Self {
        let shared: Vec<SecretName> =
            self.iter().filter(|(_, spec)| spec.shared.is_some()).map(|(name, _)| name.clone()).collect();
        for name in shared {
            self.needed.remove(&name);
            self.elsewhere.insert(name);
        }
        self
    }

    /// The secrets it needs, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&SecretName, &SecretSpec)> + Clone {
        self.needed.iter()
    }

    /// One secret it needs.
    pub fn get(&self, name: &SecretName) -> Option<&SecretSpec> {
        self.needed.get(name)
    }

    /// All names that `infra.toml` declares, for this environment or another.
    pub fn declared(&self) -> impl Iterator<Item = &SecretName> {
        self.needed.keys().chain(&self.elsewhere)
    }

    /// Whether `infra.toml` declares the name, for this environment or another.
    pub fn declares(&self, name: &SecretName) -> bool {
        self.needed.contains_key(name) || self.elsewhere.contains(name)
    }
}

/// A required secret without a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MissingSecret {
    /// Its name.
    pub name: SecretName,
    /// What it is for and where a person gets it.
    pub description: Option<String>,
}

impl MissingSecret {
    pub(super) fn new(name: &SecretName, spec: &SecretSpec) -> Self {
        MissingSecret { name: name.clone(), description: spec.description.clone() }
    }
}

impl fmt::Display for MissingSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        match &self.description {
            // A description of several lines would look like several secrets.
            Some(text) => write!(f, " ({})", text.split_whitespace().collect::<Vec<_>>().join(" ")),
            None => Ok(()),
        }
    }
}

/// One error for all that is missing.
pub(super) fn missing_error(place: &str, missing: &[MissingSecret]) -> Error {
    let names: Vec<String> = missing.iter().map(ToString::to_string).collect();
    Error::not_found(format!("{} required secrets are missing in {place}", missing.len()))
        .with("missing", names.join("; "))
        .hint("run `cargo xtask infra:secrets:setup`: it makes those with `generate`, and takes the others from `.env`, which `cargo xtask infra:secrets:init` makes")
}

/// Makes a value of so many random bytes, as base64 that is safe in URLs and file names.
///
/// # Errors
/// `Unavailable` when the system has no random bytes to give.
pub(super) fn generate(how: Generate) -> Result<SecretValue> {
    // The most that `random:BYTES` may ask for.
    let bytes = id::random::<512>()?;
    let wanted = usize::from(how.bytes).min(bytes.len());
    Ok(SecretValue::new(URL_SAFE_NO_PAD.encode(&bytes[..wanted])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_value_has_the_bytes_asked_for_and_is_never_the_same() {
        let one = generate(Generate { bytes: 32 }).unwrap();
        let two = generate(Generate { bytes: 32 }).unwrap();
        assert_ne!(one, two);
        assert_eq!(URL_SAFE_NO_PAD.decode(one.expose()).unwrap().len(), 32);
        assert_eq!(
            URL_SAFE_NO_PAD.decode(generate(Generate { bytes: 512 }).unwrap().expose()).unwrap().len(),
            512
        );
    }

    #[test]
    fn a_secret_of_another_environment_is_declared_but_not_needed() {
        let spec = SecretSpec { envs: vec!["production".parse().unwrap()], ..SecretSpec::default() };
        let name: SecretName = "A".parse().unwrap();
        let needs = Needs::of(&[(name.clone(), spec)].into(), &EnvName::local());
        assert!(needs.get(&name).is_none() && needs.declares(&name));
    }
}
