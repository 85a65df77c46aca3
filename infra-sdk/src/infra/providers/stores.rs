//! The stores that secrets are synced to, each where its feature is compiled in.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{Store, StoreKind};
use crate::deploy::ValueFrom;
use crate::error::{Result, ResultExt};
use crate::infra::open::Infra;
use crate::names::{Label, SecretName};
use crate::secrets::SecretStore;

/// Opens the store that `store` describes, which `infra.toml` calls `label`.
pub(in crate::infra) fn open(infra: &Infra, label: &Label, store: &Store) -> Result<Arc<dyn SecretStore>> {
    match store.kind {
        StoreKind::Github | StoreKind::GithubEnvironment | StoreKind::GithubOrg => github(infra, store),
        StoreKind::Ssm => ssm(infra, store),
        StoreKind::SecretsManager => secrets_manager(infra, store),
        StoreKind::Worker => worker(infra, store),
    }
    .context(format!("open the store `{label}`"))
}

/// Where the secrets that are in a store can be read by the tasks of ECS, without their values; `None` for a store that those
/// cannot read.
pub(in crate::infra) async fn places(
    infra: &Infra,
    label: &Label,
    store: &Store,
) -> Result<Option<BTreeMap<SecretName, ValueFrom>>> {
    match store.kind {
        StoreKind::Ssm => {
            let opened = open(infra, label, store)?;
            let place = |name: &SecretName| ValueFrom::new(opened.key(name));
            let listed = opened.list().await?.into_iter().map(|stored| {
                let version = stored.stamp.map(|stamp| stamp.as_str().to_owned());
                let from = ValueFrom { version, ..place(&stored.name) };
                (stored.name, from)
            });
            Ok(Some(listed.collect()))
        }
        StoreKind::SecretsManager => secrets_manager_places(infra, label, store).await.map(Some),
        _ => Ok(None),
    }
}

/// A task names a secret there by its whole ARN, which ends in signs that only a list tells.
#[cfg(feature = "aws-secrets-manager")]
async fn secrets_manager_places(
    infra: &Infra,
    label: &Label,
    store: &Store,
) -> Result<BTreeMap<SecretName, ValueFrom>> {
    let aws = infra.aws()?;
    let opened = crate::aws::SecretsManagerSecrets::new(aws, given(&store.prefix), store.kms_key.clone());
    let listed = opened.context(format!("open the store `{label}`"))?.arns().await?.into_iter();
    Ok(listed.map(|(name, (arn, version))| (name, ValueFrom { place: arn, version })).collect())
}

#[cfg(not(feature = "aws-secrets-manager"))]
async fn secrets_manager_places(
    infra: &Infra,
    label: &Label,
    store: &Store,
) -> Result<BTreeMap<SecretName, ValueFrom>> {
    open(infra, label, store).map(|_| BTreeMap::new())
}

#[cfg(feature = "github")]
fn github(infra: &Infra, store: &Store) -> Result<Arc<dyn SecretStore>> {
    let github = crate::github::Github::new(infra.env())?;
    Ok(Arc::new(match store.kind {
        StoreKind::GithubOrg => {
            github.organisation_secrets(given(&store.org), store.visibility, &store.repositories)?
        }
        StoreKind::GithubEnvironment => {
            github.environment_secrets(given(&store.repo), given(&store.environment))?
        }
        _ => github.repository_secrets(given(&store.repo))?,
    }))
}

/// A text that has a default.
#[cfg(any(feature = "github", feature = "cloudflare", feature = "aws-ssm", feature = "aws-secrets-manager"))]
fn given(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or_default()
}

#[cfg(not(feature = "github"))]
fn github(infra: &Infra, _: &Store) -> Result<Arc<dyn SecretStore>> {
    Err(crate::infra::absent::Absent::new("a store at GitHub", "github", infra.environment()).error())
}

#[cfg(feature = "aws-ssm")]
fn ssm(infra: &Infra, store: &Store) -> Result<Arc<dyn SecretStore>> {
    Ok(Arc::new(crate::aws::SsmSecrets::new(infra.aws()?, given(&store.prefix), store.kms_key.clone())?))
}

#[cfg(not(feature = "aws-ssm"))]
fn ssm(infra: &Infra, _: &Store) -> Result<Arc<dyn SecretStore>> {
    Err(crate::infra::absent::Absent::new("a store in SSM", "aws-ssm", infra.environment()).error())
}

#[cfg(feature = "aws-secrets-manager")]
fn secrets_manager(infra: &Infra, store: &Store) -> Result<Arc<dyn SecretStore>> {
    let kms_key = store.kms_key.clone();
    Ok(Arc::new(crate::aws::SecretsManagerSecrets::new(infra.aws()?, given(&store.prefix), kms_key)?))
}

#[cfg(not(feature = "aws-secrets-manager"))]
fn secrets_manager(infra: &Infra, _: &Store) -> Result<Arc<dyn SecretStore>> {
    Err(crate::infra::absent::Absent::new(
        "a store in Secrets Manager",
        "aws-secrets-manager",
        infra.environment(),
    )
    .error())
}

#[cfg(feature = "cloudflare")]
fn worker(infra: &Infra, store: &Store) -> Result<Arc<dyn SecretStore>> {
    let cloudflare = crate::cloudflare::Cloudflare::new(infra.env())?;
    Ok(Arc::new(cloudflare.worker_secrets(store.account.as_deref(), given(&store.script))?))
}

#[cfg(not(feature = "cloudflare"))]
fn worker(infra: &Infra, _: &Store) -> Result<Arc<dyn SecretStore>> {
    Err(crate::infra::absent::Absent::new("a store at Cloudflare", "cloudflare", infra.environment()).error())
}
