//! This repo's secrets in one environment: from `.env` to the store, and from the store to a release.

use std::collections::{BTreeMap, BTreeSet};

use crate::env::CI;
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::events::vocabulary;
use crate::infra::open::Infra;
use crate::infra::providers;
use crate::ledger::{self, Filter, Outcome};
use crate::names::{EnvName, SecretName};
use crate::secret::SecretValue;
use crate::secrets::{self, Dotenv, InitPlan, MissingSecret, SecretsReport, SetupPlan, SetupReport};
use crate::time::Timestamp;

/// What writing secrets is called in the ledger.
const WRITE: &str = "secrets.write";

/// A planned setup, together with the `.env` it was made from.
#[derive(Debug)]
pub struct SecretsSetup {
    /// What will be written, by name.
    pub plan: SetupPlan,
    dotenv: Option<Dotenv>,
    supplied: BTreeMap<SecretName, SecretValue>,
}

impl SecretsSetup {
    /// What has no value yet.
    pub fn missing(&self) -> &[MissingSecret] {
        &self.plan.missing
    }

    /// Gives a value for one that is missing.
    pub fn supply(&mut self, name: SecretName, value: SecretValue) {
        self.supplied.insert(name, value);
    }
}

impl Infra {
    /// What making `.env.example`, `.gitignore` and `.env` ready would change.
    ///
    /// # Errors
    /// `Io` when a file can not be read.
    pub fn plan_secret_files(&self) -> Result<InitPlan> {
        secrets::plan_init(self.config().root(), &self.settings().secrets)
    }

    /// What storing this repo's secrets would write.
    ///
    /// # Errors
    /// `Invalid` with the place of what is wrong in `.env`; what the store fails with.
    pub async fn plan_secrets(&self) -> Result<SecretsSetup> {
        let sources = self.sources().await?;
        let dotenv = self.given(&sources).await?;
        let plan = secrets::plan_setup(&self.secret_needs().own(), dotenv.as_ref(), &sources.stored);
        self.refuse_short_lived(&plan)?;
        for name in plan.from_dotenv.iter().filter(|name| sources.stored.contains_key(*name)) {
            self.host().tell(&format!("warning: {name} gets another value than the one that is kept"));
        }
        Ok(SecretsSetup { plan, dotenv, supplied: BTreeMap::new() })
    }

    /// What a job makes on a machine that is thrown away would be another value each time, and replace the one in use.
    fn refuse_short_lived(&self, plan: &SetupPlan) -> Result<()> {
        let keeps = providers::vault::keeps_values(self.config()) || *self.environment() == EnvName::local();
        if plan.generate.is_empty() || !self.env().flag(CI) || keeps {
            return Ok(());
        }
        let names: Vec<&str> = plan.generate.iter().map(SecretName::as_str).collect();
        Err(Error::new(ErrorKind::Denied, "a CI job makes no values that only this machine would keep")
            .with("secrets", names.join(", "))
            .hint("set them in the job's environment, or keep values in a vault: `recipients` of `[vault]`"))
    }

    /// Writes what was planned, and records the names. Somebody else may have made a value meanwhile: it stays.
    ///
    /// # Errors
    /// `NotFound` listing every secret that still has no value; then nothing is written.
    pub async fn store_secrets(&self, setup: SecretsSetup) -> Result<SetupReport> {
        self.before_change().await?;
        let lock = self.patient_lock("secrets").await?;
        let stored = self.sources().await?.stored;
        let plan = secrets::plan_setup(&self.secret_needs().own(), setup.dotenv.as_ref(), &stored);
        let mut supplied = setup.supplied;
        supplied.retain(|name, _| plan.missing.iter().any(|missing| missing.name == *name));
        let report = plan.apply(setup.dotenv.as_ref(), supplied, &*self.ports().secrets).await;
        let recorded = match &report {
            Ok(report) => self.record_secrets(report).await,
            Err(_) => Ok(()),
        };
        let unlocked = lock.finish().await;
        let report = report?;
        recorded.and(unlocked).context("the secrets are stored, but this could not be noted")?;
        Ok(report)
    }

    /// Records what was written now, and what a run that was killed in between wrote before.
    async fn record_secrets(&self, report: &SetupReport) -> Result<()> {
        let mut names: BTreeSet<SecretName> = [&report.from_dotenv, &report.generated, &report.supplied]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        names.extend(self.unrecorded_secrets().await?);
        if names.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = names.iter().map(SecretName::as_str).collect();
        let details = [("names", names.join(" "))];
        self.record(WRITE, self.settings().project.name.as_str(), Outcome::Done, &details).await?;
        self.announce(vocabulary::SECRETS_CHANGED, serde_json::json!({ "names": names })).await;
        Ok(())
    }

    /// Secrets that were stored later than the ledger last says.
    async fn unrecorded_secrets(&self) -> Result<Vec<SecretName>> {
        // What others wrote into a vault is theirs to record; git says who.
        if providers::vault::keeps_values(self.config()) {
            return Ok(Vec::new());
        }
        // Whatever wrote it: a setup, a rotation, a restore.
        let filter = Filter {
            env: Some(self.environment().clone()),
            project: Some(self.settings().project.name.clone()),
            action: None,
        };
        let history = ledger::history(&*self.ports().ledger, &filter, usize::MAX).await?;
        let recorded = |name: &SecretName, updated: Timestamp| {
            history.entries.iter().any(|entry| {
                let names = entry.details.get("names").map(String::as_str).unwrap_or_default();
                entry.time >= updated && names.split(' ').any(|other| other == name.as_str())
            })
        };
        let stored = self.ports().secrets.list().await?;
        Ok(stored
            .into_iter()
            .filter(|secret| secret.updated.is_some_and(|updated| !recorded(&secret.name, updated)))
            .map(|secret| secret.name)
            .collect())
    }

    /// Whether every secret this repo needs is there, and has its form: where values are kept, at the organisation, and
    /// in CI in the job's environment.
    ///
    /// # Errors
    /// What the stores fail with; what is missing stands in the report.
    pub async fn check_secrets(&self) -> Result<SecretsReport> {
        let values = self.kept_values().await?;
        let place = self.ports().secret_source.name();
        Ok(secrets::check_values(&self.secret_needs(), place, &values.to_map()))
    }

    /// The values a release needs, all of them.
    pub(super) async fn needed_secrets(&self) -> Result<BTreeMap<SecretName, SecretValue>> {
        let values = self.kept_values().await?.to_map();
        secrets::check_values(&self.secret_needs(), self.ports().secret_source.name(), &values).require()?;
        Ok(values)
    }
}
