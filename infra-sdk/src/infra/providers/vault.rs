//! The vault, where it is compiled in: as the place of values, as the organisation's, and its keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::Config;
use crate::env::Env;
use crate::error::Result;
#[cfg(feature = "vault")]
use crate::error::{Error, ErrorKind};
#[cfg(not(feature = "vault"))]
use crate::infra::absent::Absent;
use crate::infra::home::Home;
use crate::infra::keys::{OwnKey, Rekeyed};
use crate::infra::providers::ports::Values;
use crate::local::LocalSecrets;
use crate::names::{EnvName, RepoName, SecretName};
use crate::secret::SecretValue;
#[cfg(feature = "vault")]
use crate::secrets::SecretBytes;
use crate::secrets::{Sealer, SecretSource};
#[cfg(feature = "vault")]
use crate::vault::{Binding, KeyPlace, Vault, plan_key};

/// Whether the values of this environment stand in the repo, encrypted.
pub(in crate::infra) fn keeps_values(config: &Config) -> bool {
    !config.settings().vault.recipients.is_empty() && *config.environment() != EnvName::local()
}

/// What this machine kept for an environment before it had a vault.
pub(in crate::infra) async fn earlier_values(
    config: &Config,
    home: &Home,
) -> Result<BTreeMap<SecretName, SecretValue>> {
    if !keeps_values(config) {
        return Ok(BTreeMap::new());
    }
    SecretSource::get_all(&LocalSecrets::new(home.secrets())).await
}

#[cfg(feature = "vault")]
fn key_place(env: &Env, config: &Config) -> KeyPlace {
    KeyPlace::new(env, config.settings().vault.key, &config.settings().project.org)
}

#[cfg(feature = "vault")]
fn open(env: &Env, config: &Config) -> Result<Vault> {
    let (project, settings) = (&config.settings().project, &config.settings().vault);
    let path = Vault::file(&config.root().join(&settings.dir), config.environment());
    let binding = Binding {
        org: project.org.clone(),
        project: project.name.clone(),
        env: config.environment().clone(),
    };
    Vault::open(path, &settings.recipients, key_place(env, config), binding)
}

#[cfg(feature = "vault")]
pub(super) fn values(env: &Env, config: &Config) -> Result<Values> {
    let vault = Arc::new(open(env, config)?);
    Ok(Values { store: vault.clone(), source: vault.clone(), keys: vault.clone(), sealer: vault })
}

#[cfg(not(feature = "vault"))]
pub(super) fn values(_: &Env, config: &Config) -> Result<Values> {
    Err(absent(config).error())
}

#[cfg(feature = "vault")]
pub(super) fn sealer(env: &Env, config: &Config) -> Result<Arc<dyn Sealer>> {
    if config.settings().vault.recipients.is_empty() {
        return Ok(Arc::new(NoRecipients));
    }
    Ok(Arc::new(open(env, config)?))
}

#[cfg(not(feature = "vault"))]
pub(super) fn sealer(_: &Env, config: &Config) -> Result<Arc<dyn Sealer>> {
    Ok(Arc::new(absent(config)))
}

#[cfg(not(feature = "vault"))]
fn absent(config: &Config) -> Absent {
    Absent::new("encryption with age", "vault", config.environment())
}

/// The values in the text of another repo's vault; `project` is that repo, `name` what messages call it.
#[cfg(feature = "vault")]
pub(in crate::infra) async fn read(
    env: &Env,
    config: &Config,
    project: RepoName,
    name: String,
    text: &str,
) -> Result<BTreeMap<SecretName, SecretValue>> {
    let org = config.settings().project.org.clone();
    let binding = Binding { org, project, env: config.environment().clone() };
    Vault::read_only(name, text.as_bytes(), key_place(env, config), binding)?.get_all().await
}

#[cfg(not(feature = "vault"))]
pub(in crate::infra) async fn read(
    _: &Env,
    config: &Config,
    _: RepoName,
    _: String,
    _: &str,
) -> Result<BTreeMap<SecretName, SecretValue>> {
    Err(absent(config).error())
}

/// The person's own key; made if `make` and there is none.
#[cfg(feature = "vault")]
pub(in crate::infra) async fn own_key(env: &Env, config: &Config, make: bool) -> Result<OwnKey> {
    let plan = plan_key(&key_place(env, config)).await?;
    if !make || plan.is_empty() {
        return Ok(OwnKey { recipients: plan.found, place: plan.place, made: false });
    }
    let made = plan.apply().await?;
    Ok(OwnKey { recipients: made.recipients, place: made.place, made: made.made })
}

#[cfg(not(feature = "vault"))]
pub(in crate::infra) async fn own_key(_: &Env, config: &Config, _: bool) -> Result<OwnKey> {
    Err(absent(config).error())
}

/// Encrypts for the recipients of now what is encrypted for others; only says so unless `apply`.
#[cfg(feature = "vault")]
pub(in crate::infra) async fn rekey(env: &Env, config: &Config, apply: bool) -> Result<Rekeyed> {
    if !keeps_values(config) {
        return Err(Error::not_found("this environment has no vault")
            .with("environment", config.environment())
            .hint("list public keys as `recipients` of `[vault]` in infra.toml, and choose an environment with `--env`"));
    }
    let vault = open(env, config)?;
    let plan = vault.plan_rekey()?;
    if apply && !plan.is_empty() {
        let own = key_place(env, config).find().await?.recipients();
        if !own.iter().any(|key| vault.recipients().contains(key)) {
            return Err(Error::new(ErrorKind::Denied, "you could not read the vault any more")
                .with("your key", own.join(" "))
                .hint("add it to `recipients` of `[vault]`, or let one of the recipients run this"));
        }
    }
    let (title, names, recipients) = (plan.vault.clone(), plan.names.clone(), plan.recipients);
    if apply {
        plan.apply(&vault).await?;
    }
    Ok(Rekeyed { vault: title, names, recipients, done: apply })
}

#[cfg(not(feature = "vault"))]
pub(in crate::infra) async fn rekey(_: &Env, config: &Config, _: bool) -> Result<Rekeyed> {
    Err(absent(config).error())
}

/// Nobody to encrypt for.
#[cfg(feature = "vault")]
struct NoRecipients;

#[cfg(feature = "vault")]
impl NoRecipients {
    fn error() -> Error {
        Error::not_found("there is nobody to encrypt for")
            .hint("make a key with `cargo xtask infra:secrets:key`, and list its public half as `recipients` of `[vault]` in infra.toml")
    }
}

#[cfg(feature = "vault")]
impl Sealer for NoRecipients {
    fn seal(&self, _: &[u8]) -> Result<Vec<u8>> {
        Err(Self::error())
    }

    fn unseal(&self, _: &[u8]) -> Result<SecretBytes> {
        Err(Self::error())
    }
}
