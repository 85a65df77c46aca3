//! The stores that secrets are synced to, each where its feature is compiled in.

use std::sync::Arc;

use crate::config::{Store, StoreKind};
use crate::error::{Result, ResultExt};
use crate::infra::open::Infra;
use crate::names::Label;
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

/// A setting with its placeholders filled in, or its default.
fn text(infra: &Infra, given: Option<&String>, default: &str) -> String {
    infra.filled(given.map_or(default, String::as_str))
}

#[cfg(feature = "github")]
fn github(infra: &Infra, store: &Store) -> Result<Arc<dyn SecretStore>> {
    let github = crate::github::Github::new(infra.env())?;
    let repo = text(infra, store.repo.as_ref(), "{org}/{project}");
    Ok(Arc::new(match store.kind {
        StoreKind::GithubOrg => {
            let repositories: Vec<String> =
                store.repositories.iter().map(|name| infra.filled(name)).collect();
            github.organisation_secrets(
                &text(infra, store.org.as_ref(), "{org}"),
                store.visibility,
                &repositories,
            )?
        }
        StoreKind::GithubEnvironment => {
            github.environment_secrets(&repo, &text(infra, store.environment.as_ref(), "{env}"))?
        }
        _ => github.repository_secrets(&repo)?,
    }))
}

#[cfg(not(feature = "github"))]
fn github(infra: &Infra, _: &Store) -> Result<Arc<dyn SecretStore>> {
    Err(crate::infra::absent::Absent::new("a store at GitHub", "github", infra.environment()).error())
}

#[cfg(any(feature = "aws-ssm", feature = "aws-secrets-manager"))]
fn aws(infra: &Infra) -> Result<crate::aws::Aws> {
    crate::aws::Aws::connect(infra.env(), infra.config().section()?.region.as_deref())
}

#[cfg(feature = "aws-ssm")]
fn ssm(infra: &Infra, store: &Store) -> Result<Arc<dyn SecretStore>> {
    let prefix = text(infra, store.prefix.as_ref(), "/{project}/{env}/");
    let kms_key = store.kms_key.as_ref().map(|key| infra.filled(key));
    Ok(Arc::new(crate::aws::SsmSecrets::new(aws(infra)?, &prefix, kms_key)?))
}

#[cfg(not(feature = "aws-ssm"))]
fn ssm(infra: &Infra, _: &Store) -> Result<Arc<dyn SecretStore>> {
    Err(crate::infra::absent::Absent::new("a store in SSM", "aws-ssm", infra.environment()).error())
}

#[cfg(feature = "aws-secrets-manager")]
fn secrets_manager(infra: &Infra, store: &Store) -> Result<Arc<dyn SecretStore>> {
    let prefix = text(infra, store.prefix.as_ref(), "{project}/{env}/");
    let kms_key = store.kms_key.as_ref().map(|key| infra.filled(key));
    Ok(Arc::new(crate::aws::SecretsManagerSecrets::new(aws(infra)?, &prefix, kms_key)?))
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
    let account = store.account.as_ref().map(|account| infra.filled(account));
    let cloudflare = crate::cloudflare::Cloudflare::new(infra.env())?;
    Ok(Arc::new(
        cloudflare.worker_secrets(account.as_deref(), &text(infra, store.script.as_ref(), "{project}"))?,
    ))
}

#[cfg(not(feature = "cloudflare"))]
fn worker(infra: &Infra, _: &Store) -> Result<Arc<dyn SecretStore>> {
    Err(crate::infra::absent::Absent::new("a store at Cloudflare", "cloudflare", infra.environment()).error())
}
