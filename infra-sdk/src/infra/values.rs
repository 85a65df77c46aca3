//! All values of an environment: from `.env` or the CI's environment, from where they are kept, from the organisation.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::config::{Shared, Vault};
use crate::env::CI;
use crate::error::{Error, ErrorKind, Result};
use crate::infra::open::Infra;
use crate::infra::providers;
use crate::names::{RepoName, SecretName};
use crate::secret::SecretValue;
use crate::secrets::{self, Dotenv, Given, Values};

/// Where values come from, beside `.env`.
pub(super) struct Sources {
    /// Where this repo keeps its own.
    pub(super) stored: BTreeMap<SecretName, SecretValue>,
    /// What the organisation shares.
    organisation: BTreeMap<SecretName, SecretValue>,
}

impl Infra {
    /// Every value there is, with its origin; all are masked from here on.
    ///
    /// # Errors
    /// `Invalid` with the place of what is wrong in `.env`; what the stores fail with.
    pub async fn values(&self) -> Result<Values> {
        let sources = self.sources().await?;
        Ok(self.collect(&sources, self.personal()?.as_ref()))
    }

    /// The same without `.env`: what a setup has stored already.
    pub(super) async fn kept_values(&self) -> Result<Values> {
        Ok(self.collect(&self.sources().await?, None))
    }

    /// What every value is taken from that no person types. Read once for each flow: a vault is decrypted for it.
    pub(super) async fn sources(&self) -> Result<Sources> {
        Ok(Sources { stored: self.stored_values().await?, organisation: self.organisation_values().await? })
    }

    /// `.env`, which is not looked at in CI.
    pub(super) fn personal(&self) -> Result<Option<Dotenv>> {
        if self.env().flag(CI) { Ok(None) } else { self.dotenv() }
    }

    pub(super) fn collect(&self, sources: &Sources, dotenv: Option<&Dotenv>) -> Values {
        let values = secrets::collect(
            &self.secret_needs(),
            Given {
                env: self.env(),
                ci: self.env().flag(CI),
                dotenv,
                store: self.ports().secret_source.name(),
                stored: &sources.stored,
                tag: self.settings().extends.as_ref().map_or("", |extends| &extends.tag),
                organisation: &sources.organisation,
            },
        );
        for ignored in values.ignored() {
            self.host().tell(&format!("warning: {ignored}"));
        }
        for (_, value) in values.iter() {
            self.host().learn(value);
        }
        values
    }

    /// In CI the environment gives the values: a vault that this job has no key for is not needed.
    async fn stored_values(&self) -> Result<BTreeMap<SecretName, SecretValue>> {
        match self.ports().secret_source.get_all().await {
            Err(error)
                if self.env().flag(CI) && matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Denied) =>
            {
                self.host().tell(&format!("values come from the job's environment alone: {error}"));
                Ok(BTreeMap::new())
            }
            stored => stored,
        }
    }

    /// Fails unless all that is needed is there and has its form.
    pub(super) fn require(&self, values: &Values) -> Result<()> {
        values.require()?;
        let place = "`.env` and what is stored";
        secrets::check_values(&self.secret_needs(), place, &values.to_map()).require()
    }

    /// The values of this repo's needs, all of them there.
    ///
    /// # Errors
    /// As [`values`](Self::values); `NotFound` listing every required secret without a value; `Invalid` listing every
    /// value without its declared form.
    pub async fn needed_values(&self) -> Result<BTreeMap<SecretName, SecretValue>> {
        let values = self.values().await?;
        self.require(&values)?;
        Ok(values.to_map())
    }

    /// What a person or a CI job gives to be stored: `.env`, or the job's environment, but for what belongs to the
    /// organisation and what is from before a rotation.
    pub(super) async fn given(&self, sources: &Sources) -> Result<Option<Dotenv>> {
        let ci = self.env().flag(CI);
        let given = if ci { Some(self.job_environment()) } else { self.dotenv()? };
        let given = self.taken_over(given, sources).await?;
        let values = self.collect(sources, given.as_ref().filter(|_| !ci));
        Ok(given.map(|given| given.without(values.ignored().iter().map(|ignored| &ignored.name))))
    }

    /// A vault takes over what this machine kept before there was one.
    async fn taken_over(&self, given: Option<Dotenv>, sources: &Sources) -> Result<Option<Dotenv>> {
        let earlier = providers::vault::earlier_values(self.config(), self.home()).await?;
        let needs = self.secret_needs();
        let new = |name: &SecretName| !sources.stored.contains_key(name) && needs.get(name).is_some();
        let earlier: Vec<(SecretName, SecretValue)> =
            earlier.into_iter().filter(|(name, _)| new(name)).collect();
        if earlier.is_empty() {
            return Ok(given);
        }
        earlier.iter().for_each(|(_, value)| self.host().learn(value));
        self.host().tell(&format!(
            "taking over {} values that this machine kept; then remove {}",
            earlier.len(),
            self.home().secrets().join("secrets.json").display()
        ));
        let earlier = Dotenv::of_values(earlier.into_iter(), "what this machine kept");
        Ok(Some(earlier.under(given.unwrap_or_default())))
    }

    fn job_environment(&self) -> Dotenv {
        let needs = self.secret_needs();
        let given = needs.iter().filter_map(|(name, _)| {
            let value = SecretValue::new(self.env().get(name.as_str())?);
            self.host().learn(&value);
            Some((name.clone(), value))
        });
        Dotenv::of_values(given, "the job's environment")
    }

    /// `.env` and the file of this environment; a warning for each that others can read.
    pub(super) fn dotenv(&self) -> Result<Option<Dotenv>> {
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
        Ok(dotenv)
    }

    /// What the organisation's vault, at the pinned tag, holds for this environment; nothing is asked for if nothing is
    /// shared.
    async fn organisation_values(&self) -> Result<BTreeMap<SecretName, SecretValue>> {
        let shared = self.secret_needs().iter().any(|(_, spec)| spec.shared == Some(Shared::Org));
        if !shared {
            return Ok(BTreeMap::new());
        }
        let (project, dir) = self.organisations_vault().await?;
        let path = format!("{}/{}.vault", dir.trim_end_matches('/'), self.environment());
        let text = self.config().file_beside_extends(self.env(), &path).await?;
        let tag = self.settings().extends.as_ref().map_or("", |extends| &extends.tag);
        let name = format!("{path} of {project} at {tag}");
        providers::vault::read(self.env(), self.config(), project, name, &text).await
    }

    /// The project that keeps the organisation's values, and the folder they are in: as its own `infra.toml` says.
    async fn organisations_vault(&self) -> Result<(RepoName, String)> {
        #[derive(Deserialize)]
        struct Theirs {
            project: Named,
            #[serde(default)]
            vault: Vault,
        }
        #[derive(Deserialize)]
        struct Named {
            name: RepoName,
        }
        let text = self.config().file_beside_extends(self.env(), "infra.toml").await?;
        let theirs: Theirs = toml::from_str(&text).map_err(|error| {
            Error::invalid("the infra.toml beside the file in `extends` cannot be read")
                .because(error)
                .hint("correct it there under a new tag, and name that tag in `extends.tag`")
        })?;
        Ok((theirs.project.name, theirs.vault.dir))
    }
}
