//! This repo's secrets in one environment: from `.env` to the store, and from the store to a release.

use std::collections::BTreeMap;

use crate::error::{Result, ResultExt};
use crate::events::vocabulary;
use crate::infra::open::Infra;
use crate::ledger::Outcome;
use crate::names::SecretName;
use crate::secret::SecretValue;
use crate::secrets::{self, Dotenv, InitPlan, MissingSecret, Needs, SecretsReport, SetupPlan, SetupReport};

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
        let dotenv = Dotenv::load(self.config().root(), self.environment())?;
        for file in dotenv.iter().flat_map(Dotenv::files) {
            if crate::file::is_open_to_others(file) {
                self.host().tell(&format!(
                    "warning: others on this machine can read it: chmod 600 {}",
                    file.display()
                ));
            }
        }
        for (_, value) in dotenv.iter().flat_map(Dotenv::values) {
            self.host().learn(value);
        }
        let stored = self.ports().secret_source.get_all().await?;
        let plan = secrets::plan_setup(&self.secret_needs(), dotenv.as_ref(), &stored);
        Ok(SecretsSetup { plan, dotenv, supplied: BTreeMap::new() })
    }

    /// Writes what was planned, and records the names. Somebody else may have made a value meanwhile: it stays.
    ///
    /// # Errors
    /// `NotFound` listing every secret that still has no value; then nothing is written.
    pub async fn store_secrets(&self, setup: SecretsSetup) -> Result<SetupReport> {
        self.before_change().await?;
        let lock = self.patient_lock("secrets").await?;
        let stored = self.ports().secret_source.get_all().await?;
        let plan = secrets::plan_setup(&self.secret_needs(), setup.dotenv.as_ref(), &stored);
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

    async fn record_secrets(&self, report: &SetupReport) -> Result<()> {
        let written: Vec<&str> = [&report.from_dotenv, &report.generated, &report.supplied]
            .into_iter()
            .flatten()
            .map(SecretName::as_str)
            .collect();
        if written.is_empty() {
            return Ok(());
        }
        let details = [("names", written.join(" "))];
        let project = self.settings().project.name.as_str();
        self.record("secrets.write", project, Outcome::Done, &details).await?;
        self.tell_others(vocabulary::SECRETS_CHANGED, serde_json::json!({ "names": written })).await
    }

    /// Whether every secret this repo needs is in the store.
    ///
    /// # Errors
    /// What the store fails with; what is missing stands in the report.
    pub async fn check_secrets(&self) -> Result<SecretsReport> {
        secrets::check(&self.secret_needs(), &*self.ports().secret_source).await
    }

    /// The values a release needs, all of them.
    pub(super) async fn needed_secrets(&self) -> Result<BTreeMap<SecretName, SecretValue>> {
        self.check_secrets().await?.require()?;
        let needs = self.secret_needs();
        let mut values = self.ports().secret_source.get_all().await?;
        values.retain(|name, _| needs.declares(name) && needs.get(name).is_some());
        Ok(values)
    }

    fn secret_needs(&self) -> Needs {
        Needs::of(&self.settings().secrets, self.environment())
    }
}
