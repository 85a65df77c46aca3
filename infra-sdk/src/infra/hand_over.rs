//! The values in the hands of others: exports, encrypted backups and the way back.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::env::GITHUB_ENV;
use crate::error::{Error, Result};
use crate::file::{self, Access};
use crate::infra::open::Infra;
use crate::ledger::Outcome;
use crate::names::SecretName;
use crate::secrets::{
    self, Backup, BackupReport, BackupValue, ExportFormat, RestorePlan, RestoreReport, RestoreTo,
};
use crate::time::Timestamp;

/// Values that were written for another program.
#[derive(Clone, Debug, Serialize)]
pub struct Handed {
    /// The format.
    pub format: String,
    /// The file.
    pub path: PathBuf,
    /// The secrets in it.
    pub names: Vec<SecretName>,
    /// Those that GitHub can not hide, because they, or a line of them, are too short.
    pub shown: Vec<SecretName>,
}

impl fmt::Display for Handed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets as {} in {}", self.names.len(), self.format, self.path.display())?;
        let too_short = |name| write!(f, "\n  warning: {name} is too short to be hidden in logs");
        self.shown.iter().try_for_each(too_short)
    }
}

/// A restore that is planned, with the backup it is from.
#[derive(Debug, Serialize)]
pub struct PlannedRestore {
    /// What will change.
    #[serde(flatten)]
    pub plan: RestorePlan,
    #[serde(skip)]
    state: Option<Vec<u8>>,
}

impl fmt::Display for PlannedRestore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.plan.fmt(f)
    }
}

impl Infra {
    /// Writes the values into the new file `out`, which only its owner can read, or for `github` into the file of the
    /// steps that follow.
    ///
    /// # Errors
    /// `NotFound` listing every required secret without a value; `Invalid` when a value has no form in the format;
    /// `Conflict` when the file is there already.
    pub async fn export_secrets(&self, format: ExportFormat, out: Option<&Path>) -> Result<Handed> {
        let values = self.needed_values().await?;
        let exported = secrets::export(&values, format, &self.settings().project.name)?;
        for part in &exported.hide {
            self.host().learn(part);
        }
        let text = exported.text.expose().as_bytes();
        let path = match (format, out) {
            (ExportFormat::Github, None) => {
                let path = self.env().path(GITHUB_ENV).ok_or_else(|| {
                    Error::not_found("GITHUB_ENV is not set")
                        .hint("`--format github` works in a step of GitHub Actions")
                })?;
                file::append(&path, text)?;
                path
            }
            (ExportFormat::Github, Some(_)) => {
                return Err(Error::invalid("`--format github` writes where GITHUB_ENV says")
                    .hint("leave `--out` out"));
            }
            (_, Some(out)) => {
                let path = self.env().cwd().join(out);
                file::write_new(&path, text, Access::Private)?;
                path
            }
            (_, None) => {
                return Err(Error::invalid("an export needs a file: values are never printed")
                    .hint("name one with `--out FILE`; only you will be able to read it"));
            }
        };
        let names: Vec<SecretName> = values.into_keys().collect();
        self.record_names("secrets.export", &format.to_string(), &names).await?;
        Ok(Handed { format: format.to_string(), path, names, shown: exported.shown })
    }

    /// Writes an encrypted copy of this environment's values, of the key of fingerprints and of what was synced into a
    /// new file, and reads it back.
    ///
    /// # Errors
    /// As [`secrets::seal_backup`]; `NotFound` when there is nobody to encrypt for.
    pub async fn backup_secrets(&self, path: &Path) -> Result<BackupReport> {
        let stored = self.ports().secrets.list().await?;
        let since = |name: &SecretName| stored.iter().find(|secret| secret.name == *name)?.updated;
        let values = self.ports().secret_source.get_all().await?;
        let values = values.into_iter().map(|(name, value)| {
            let since = since(&name);
            (name, BackupValue { value, since })
        });
        let project = &self.settings().project;
        let backup = Backup {
            org: project.org.clone(),
            project: project.name.clone(),
            env: self.environment().clone(),
            time: Timestamp::now(),
            values: values.collect(),
            fingerprint_key: Some(self.ports().keys.fingerprint_key().await?),
            state: file::read(&self.sync_state_path(), STATE_LIMIT)?,
        };
        for kept in backup.values.values() {
            self.host().learn(&kept.value);
        }
        let report = secrets::seal_backup(&backup, &*self.ports().sealer, path)?;
        self.record_names("secrets.backup", "values", &report.secrets).await?;
        Ok(report)
    }

    /// What bringing a backup back would change. `elsewhere`: also one of another project or environment.
    ///
    /// # Errors
    /// As [`secrets::open_backup`] and [`secrets::plan_restore`].
    pub async fn plan_restore(&self, path: &Path, elsewhere: bool) -> Result<PlannedRestore> {
        let backup = secrets::open_backup(path, &*self.ports().sealer)?;
        for kept in backup.values.values() {
            self.host().learn(&kept.value);
        }
        let project = &self.settings().project;
        let to = RestoreTo {
            org: &project.org,
            project: &project.name,
            env: self.environment(),
            from_elsewhere: elsewhere,
        };
        let stored = self.ports().secret_source.get_all().await?;
        Ok(PlannedRestore { plan: secrets::plan_restore(&backup, to, &stored)?, state: backup.state })
    }

    /// Brings it back. What was synced since is not forgotten: the state of syncs comes back only where there is none.
    ///
    /// # Errors
    /// As [`RestorePlan::apply`].
    pub async fn restore_secrets(&self, planned: PlannedRestore) -> Result<RestoreReport> {
        self.before_change().await?;
        let lock = self.patient_lock("secrets").await?;
        let planned_from = format!("backup of {}", planned.plan.made);
        let done = planned.plan.apply(&*self.ports().secrets, &*self.ports().keys).await;
        let unlocked = lock.finish().await;
        let report = done?;
        unlocked?;
        let lock = self.lock("secrets-sync", "restore the state of syncs").await?;
        let state = self.sync_state_path();
        if let Some(content) = planned.state.filter(|_| report.fingerprint_key && !state.exists()) {
            file::write(&state, &content, Access::Shared)?;
        }
        lock.finish().await?;
        let names: Vec<SecretName> = report.created.iter().chain(&report.replaced).cloned().collect();
        if !names.is_empty() {
            self.record_names("secrets.restore", &planned_from, &names).await?;
        }
        Ok(report)
    }

    async fn record_names(&self, action: &str, subject: &str, names: &[SecretName]) -> Result<()> {
        let names: Vec<&str> = names.iter().map(SecretName::as_str).collect();
        self.record(action, subject, Outcome::Done, &[("names", names.join(" "))]).await
    }
}

/// Far more than the state of every store.
const STATE_LIMIT: u64 = 64_000_000;
