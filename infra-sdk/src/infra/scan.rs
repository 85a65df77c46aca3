//! Looking for this environment's real values in the repo around it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::error::Result;
use crate::infra::open::Infra;
use crate::names::{EnvName, SecretName};
use crate::process::Cmd;
use crate::secret::SecretValue;
use crate::secrets::{self, Dotenv, HookPlan, LintReport, ScanOptions, ScanReport};

/// What a scan found of one environment's values.
#[derive(Clone, Debug, Serialize)]
pub struct Scanned {
    /// The environment.
    pub env: EnvName,
    /// What was found.
    #[serde(flatten)]
    pub report: ScanReport,
}

impl fmt::Display for Scanned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.env, self.report)
    }
}

impl Infra {
    /// Where other programs read this repo's `.env` files differently.
    ///
    /// # Errors
    /// What reading the files fails with.
    pub fn lint_secrets(&self) -> Result<LintReport> {
        secrets::lint_files(self.config().root(), self.environment())
    }

    /// Looks for this environment's values, and for those in the `.env` files of every other one, in the files of the
    /// repo, in what is staged, and in its history.
    ///
    /// # Errors
    /// As [`secrets::scan`]. What is found is no error: see [`ScanReport::require_clean`].
    pub async fn scan_secrets(&self, options: ScanOptions) -> Result<Vec<Scanned>> {
        let mut seen: Vec<BTreeMap<SecretName, SecretValue>> = Vec::new();
        let mut scanned = Vec::new();
        for (env, _) in self.config().environments() {
            let values =
                if env == self.environment() { self.values().await?.to_map() } else { self.dotenv_of(env)? };
            if seen.contains(&values) || (values.is_empty() && env != self.environment()) {
                continue;
            }
            scanned.push(Scanned { env: env.clone(), report: self.scan_for(&values, options).await? });
            seen.push(values);
        }
        Ok(scanned)
    }

    fn dotenv_of(&self, env: &EnvName) -> Result<BTreeMap<SecretName, SecretValue>> {
        let dotenv = Dotenv::load(self.config().root(), env)?;
        let values = dotenv.iter().flat_map(Dotenv::values);
        Ok(values
            .map(|(name, value)| {
                self.host().learn(value);
                (name.clone(), value.clone())
            })
            .collect())
    }

    async fn scan_for(
        &self,
        values: &BTreeMap<SecretName, SecretValue>,
        options: ScanOptions,
    ) -> Result<ScanReport> {
        let host = self.host().clone();
        let progress = move |done: &secrets::ScanProgress| {
            (host.on_progress)("searched", done.files + done.staged + done.objects, 0);
        };
        let start = self.starts_git();
        secrets::scan(self.config().root(), values, options, &start, &self.host().cancel, progress).await
    }

    /// What looking before every commit would change.
    ///
    /// # Errors
    /// As [`secrets::plan_hook`].
    pub async fn plan_scan_hook(&self) -> Result<HookPlan> {
        secrets::plan_hook(self.config().root(), &self.starts_git()).await
    }

    fn starts_git(&self) -> impl Fn(&Path) -> Cmd + Sync + use<> {
        let host = self.host().clone();
        move |folder: &Path| host.command("git").dir(folder)
    }
}
