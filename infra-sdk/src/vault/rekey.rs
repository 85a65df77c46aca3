//! Encrypting a vault anew after people came or went.

use std::fmt;

use serde::Serialize;

use crate::error::Result;
use crate::names::SecretName;
use crate::vault::lines::{FINGERPRINT, Lines};
use crate::vault::store::Vault;

/// What has to be encrypted anew, because infra.toml lists other recipients now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RekeyPlan {
    /// The vault.
    pub vault: String,
    /// The secrets that are not encrypted for the recipients of now.
    pub names: Vec<SecretName>,
    /// Whether the key of fingerprints is not, either.
    pub fingerprint_key: bool,
    /// How many recipients there are now.
    pub recipients: usize,
}

/// What was encrypted anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RekeyReport {
    /// The vault.
    pub vault: String,
    /// The secrets that were encrypted anew; their values are the same.
    pub names: Vec<SecretName>,
    /// How many recipients can read them now.
    pub recipients: usize,
}

impl Vault {
    /// What is not encrypted for exactly the recipients of now. Needs no key.
    ///
    /// # Errors
    /// `Invalid`, `Conflict`, `Denied` or `Io` when the file cannot be read.
    pub fn plan_rekey(&self) -> Result<RekeyPlan> {
        let lines = self.read()?;
        let others = self.others(&lines);
        Ok(RekeyPlan {
            vault: self.title().to_owned(),
            names: others.iter().filter_map(|name| name.parse().ok()).collect(),
            fingerprint_key: others.iter().any(|name| name == FINGERPRINT),
            recipients: self.recipients().len(),
        })
    }

    fn others(&self, lines: &Lines) -> Vec<String> {
        let tag = self.recipients().tag();
        lines.all().filter(|(_, sealed)| sealed.tag != tag).map(|(name, _)| name.to_owned()).collect()
    }
}

impl RekeyPlan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && !self.fingerprint_key
    }

    /// Encrypts anew what is not encrypted for the recipients of now, all of it or nothing. Values, and since when they
    /// are the same, stay.
    ///
    /// # Errors
    /// `Denied` or `NotFound` when the key at hand cannot read one of them; `Invalid` for a damaged line; then nothing is
    /// written. `Io` when the file cannot be written.
    pub async fn apply(self, vault: &Vault) -> Result<RekeyReport> {
        let mut report = RekeyReport { vault: self.vault, names: Vec::new(), recipients: self.recipients };
        if vault.others(&vault.read()?).is_empty() {
            return Ok(report);
        }
        let key = vault.key().await?;
        let _lock = vault.lock()?;
        let mut lines = vault.read()?;
        for name in vault.others(&lines) {
            let Some(sealed) = lines.sealed(&name) else { continue };
            let entry = vault.opener().open(&name, sealed, key)?;
            let sealed = vault.seal(&name, &entry.value, entry.since)?;
            report.names.extend(name.parse().ok());
            lines.put(&name, sealed);
        }
        vault.save(&lines)?;
        Ok(report)
    }
}

/// What people who lost access can still do, and what helps.
const GONE: &str =
    "somebody who was removed can still read the old lines in git's history: rotate what they could read";

impl fmt::Display for RekeyPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return write!(
                f,
                "{}: everything is encrypted for the {} recipients",
                self.vault, self.recipients
            );
        }
        write!(
            f,
            "{}: {} secrets to encrypt anew, for {} recipients",
            self.vault,
            self.names.len(),
            self.recipients
        )?;
        self.names.iter().try_for_each(|name| write!(f, "\n  {name}"))?;
        if self.fingerprint_key {
            f.write_str("\n  the key of fingerprints")?;
        }
        write!(f, "\n  {GONE}")
    }
}

impl fmt::Display for RekeyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, recipients) = (self.names.len(), self.recipients);
        write!(f, "{}: {count} secrets encrypted anew, for {recipients} recipients", self.vault)
    }
}
