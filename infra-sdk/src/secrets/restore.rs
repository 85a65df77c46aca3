//! Bringing values back from a backup: what would change, and changing it.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::names::{EnvName, OrgName, RepoName, SecretName};
use crate::secret::SecretValue;
use crate::secrets::backup::Backup;
use crate::secrets::change::SecretChange;
use crate::secrets::fingerprint::FingerprintKey;
use crate::secrets::keep::KeyKeeper;
use crate::secrets::store::SecretStore;
use crate::time::Timestamp;

/// Where a backup is brought back to.
#[derive(Clone, Copy, Debug)]
pub struct RestoreTo<'a> {
    /// The organisation.
    pub org: &'a OrgName,
    /// The project.
    pub project: &'a RepoName,
    /// The environment.
    pub env: &'a EnvName,
    /// Whether the backup may be from another organisation, project or environment.
    pub from_elsewhere: bool,
}

/// What a restore will change; shows names, never a value.
#[derive(Clone, Debug, Serialize)]
pub struct RestorePlan {
    /// When the backup was made.
    pub made: Timestamp,
    /// `ORG/PROJECT/ENV` of the backup.
    pub from: String,
    /// In the backup only.
    pub create: Vec<SecretName>,
    /// In the store with another value, which goes.
    pub replace: Vec<SecretName>,
    /// In both, with the same value.
    pub unchanged: Vec<SecretName>,
    /// In the store only; they stay.
    pub kept: Vec<SecretName>,
    #[serde(skip)]
    changes: Vec<SecretChange>,
    #[serde(skip)]
    fingerprint_key: Option<FingerprintKey>,
}

/// What a restore changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RestoreReport {
    /// The store that was written to.
    pub store: String,
    /// What is there again.
    pub created: Vec<SecretName>,
    /// What has the backup's value again.
    pub replaced: Vec<SecretName>,
    /// What was so already.
    pub unchanged: Vec<SecretName>,
    /// Whether fingerprints are made with the backup's key now, so that the backup's state is good for the next sync.
    /// Without it, the next sync writes everything once.
    pub fingerprint_key: bool,
}

/// Compares a backup with the values that are stored now.
///
/// # Errors
/// `Invalid` when the backup is from elsewhere and `to` does not allow that.
pub fn plan_restore(
    backup: &Backup,
    to: RestoreTo<'_>,
    stored: &BTreeMap<SecretName, SecretValue>,
) -> Result<RestorePlan> {
    let from = format!("{}/{}/{}", backup.org, backup.project, backup.env);
    let here = format!("{}/{}/{}", to.org, to.project, to.env);
    if from != here && !to.from_elsewhere {
        return Err(Error::invalid("the backup is from another place")
            .with("backup", from)
            .with("here", here)
            .hint("choose the environment it is from with `--env`, or say `--from-elsewhere` if that is what you want"));
    }
    let mut plan = RestorePlan {
        made: backup.time,
        // A key of another place would make its fingerprints comparable with those here.
        fingerprint_key: backup.fingerprint_key.clone().filter(|_| from == here),
        from,
        create: Vec::new(),
        replace: Vec::new(),
        unchanged: Vec::new(),
        kept: stored.keys().filter(|name| !backup.values.contains_key(*name)).cloned().collect(),
        changes: Vec::new(),
    };
    for (name, kept) in &backup.values {
        let list = match stored.get(name) {
            Some(value) if *value == kept.value => &mut plan.unchanged,
            Some(_) => &mut plan.replace,
            None => &mut plan.create,
        };
        list.push(name.clone());
        if stored.get(name) != Some(&kept.value) {
            plan.changes.push(SecretChange::put(name.clone(), kept.value.clone()));
        }
    }
    Ok(plan)
}

impl RestorePlan {
    /// Whether every value is there already.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Writes the values, and brings back the key of fingerprints where none is kept.
    ///
    /// # Errors
    /// What the store fails with; the error then says which secrets are left. Doing the same again completes it.
    pub async fn apply(self, store: &dyn SecretStore, keys: &dyn KeyKeeper) -> Result<RestoreReport> {
        // First the key: with it there, a restore that stops in the middle costs no full sync later.
        let fingerprint_key = match &self.fingerprint_key {
            Some(key) => keys.adopt_fingerprint_key(key).await?.is(key),
            None => false,
        };
        if !self.changes.is_empty() {
            store.write(&self.changes).await?.complete(&self.changes)?;
        }
        Ok(RestoreReport {
            store: store.name().to_owned(),
            created: self.create,
            replaced: self.replace,
            unchanged: self.unchanged,
            fingerprint_key,
        })
    }
}

impl fmt::Display for RestorePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (create, replace) = (self.create.len(), self.replace.len());
        write!(f, "from the backup of {} made {}: {create} secrets to create, ", self.from, self.made)?;
        write!(f, "{replace} to replace, {} unchanged, {} kept", self.unchanged.len(), self.kept.len())?;
        for (what, names) in [("create", &self.create), ("replace", &self.replace), ("keep", &self.kept)] {
            names.iter().try_for_each(|name| write!(f, "\n  {what}: {name}"))?;
        }
        Ok(())
    }
}

impl fmt::Display for RestoreReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (created, replaced) = (self.created.len(), self.replaced.len());
        write!(f, "{}: {created} secrets created, {replaced} replaced, ", self.store)?;
        write!(f, "{} unchanged", self.unchanged.len())?;
        if self.fingerprint_key {
            f.write_str("; fingerprints are made with the backup's key")?;
        }
        Ok(())
    }
}
