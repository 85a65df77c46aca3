//! The secrets of one Worker, as a store.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::cloudflare::account::{check_script, is_variable};
use crate::cloudflare::client::Cloudflare;
use crate::error::{Error, Result};
use crate::mask::Masks;
use crate::names::SecretName;
use crate::secrets::{
    Costs, Listing, Mark, SecretChange, SecretStore, Stamps, StoredSecret, WriteReport, Written,
};

/// Changes that one request carries
/// (<https://developers.cloudflare.com/workers/wrangler/commands/#secret-bulk>).
const MOST: usize = 100;

/// Bytes of a value (<https://developers.cloudflare.com/workers/platform/limits/#environment-variables>).
const LONGEST: usize = 5 * 1024;

/// The secrets of one Worker. Values never come back, and nothing tells when one was written.
///
/// Each write request makes a new version of the Worker and deploys it: up to 100 changes are one request, made whole or
/// not at all. The Worker must have been deployed before, and its newest version must be the one that is live.
#[derive(Clone, Debug)]
pub struct WorkerSecrets {
    cloudflare: Cloudflare,
    account: String,
    script: String,
    name: String,
    id: String,
}

impl Cloudflare {
    /// The secrets of the Worker `script` in `account`; with `None` in the account that `CLOUDFLARE_ACCOUNT_ID` names.
    ///
    /// ```
    /// # fn main() -> infra_sdk::Result<()> {
    /// use infra_sdk::{Env, cloudflare::Cloudflare, secrets::SecretStore};
    /// let vars = [("CLOUDFLARE_API_TOKEN", "…"), ("CLOUDFLARE_ACCOUNT_ID", "023e105f4ecef8ad9ca31a8372d0c353")];
    /// let store = Cloudflare::new(&Env::of(vars, "/srv/shop"))?.worker_secrets(None, "shop-api")?;
    /// assert_eq!(store.id(), "worker:023e105f4ecef8ad9ca31a8372d0c353/shop-api");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `Invalid` for an account or name that cannot be one, and when no account is named.
    pub fn worker_secrets(&self, account: Option<&str>, script: &str) -> Result<WorkerSecrets> {
        let account = self.account(account)?.to_owned();
        check_script(script)?;
        Ok(WorkerSecrets {
            cloudflare: self.clone(),
            name: format!("the secrets of the Worker {script}"),
            id: format!("worker:{account}/{script}"),
            account,
            script: script.to_owned(),
        })
    }
}

/// A JSON merge patch: what is not named stays, what is null goes.
#[derive(Serialize)]
struct Patch<'a> {
    secrets: BTreeMap<&'a str, Option<Binding<'a>>>,
}

#[derive(Serialize)]
struct Binding<'a> {
    name: &'a str,
    text: &'a str,
    r#type: &'static str,
}

impl<'a> Patch<'a> {
    fn of(changes: &'a [SecretChange]) -> Self {
        let secrets = changes.iter().map(|change| match change {
            SecretChange::Put { name, value, .. } => {
                let name = name.as_str();
                (name, Some(Binding { name, text: value.expose(), r#type: "secret_text" }))
            }
            SecretChange::Delete { name } => (name.as_str(), None),
        });
        Patch { secrets: secrets.collect() }
    }
}

#[derive(Debug, Deserialize)]
struct Listed {
    name: String,
}

impl WorkerSecrets {
    fn path<'a>(&'a self, last: &'a str) -> [&'a str; 6] {
        ["accounts", &self.account, "workers", "scripts", &self.script, last]
    }

    async fn patch(&self, changes: &[SecretChange]) -> Result<()> {
        let masks = Masks::new();
        for change in changes {
            if let SecretChange::Put { value, .. } = change {
                masks.add(value);
            }
        }
        self.cloudflare.patch(&self.path("secrets-bulk"), &Patch::of(changes), &masks).await
    }
}

#[async_trait]
impl SecretStore for WorkerSecrets {
    fn name(&self) -> &str {
        &self.name
    }

    fn id(&self) -> &str {
        &self.id
    }

    /// One list, and one request for 100 changes. 1,200 requests in five minutes is the limit of a token
    /// (<https://developers.cloudflare.com/fundamentals/api/reference/limits/>).
    fn costs(&self) -> Costs {
        Costs {
            puts: MOST,
            deletes: MOST,
            mixed: true,
            page: 1000,
            opening: 0,
            stamps: Stamps::None,
            pace: Some(4.0),
            ..Costs::default()
        }
    }

    fn key(&self, name: &SecretName) -> String {
        name.to_string()
    }

    fn check(&self, change: &SecretChange) -> Result<()> {
        SecretChange::check_batch(std::slice::from_ref(change))?;
        let SecretChange::Put { name, value, .. } = change else { return Ok(()) };
        if !is_variable(name.as_str()) {
            return Err(Error::invalid(
                "a Worker's secret cannot have a name that JavaScript keeps for itself",
            )
            .with("secret", name)
            .hint("give it another name, such as the same in capitals"));
        }
        if value.expose().len() > LONGEST {
            return Err(Error::invalid("a secret's value is too long for a Worker")
                .with("secret", name)
                .with("bytes", value.expose().len())
                .with("allowed", LONGEST)
                .hint("split it over several secrets, or keep it in a store that takes more"));
        }
        Ok(())
    }

    async fn look(&self, _: Option<&Mark>) -> Result<Listing> {
        let listed: Vec<Listed> = self.cloudflare.get(&self.path("secrets")).await?;
        let names = listed.into_iter().filter_map(|listed| SecretName::new(listed.name).ok());
        let mut secrets: Vec<StoredSecret> =
            names.map(|name| StoredSecret { name, stamp: None, updated: None }).collect();
        secrets.sort_by(|a, b| a.name.cmp(&b.name));
        secrets.dedup();
        Ok(Listing::Now { secrets, mark: None })
    }

    async fn write(&self, changes: &[SecretChange]) -> Result<WriteReport> {
        SecretChange::check_batch(changes)?;
        changes.iter().try_for_each(|change| self.check(change))?;
        let mut report = WriteReport::default();
        for part in changes.chunks(MOST) {
            match self.patch(part).await {
                Ok(()) => {
                    let made = part.iter().map(|change| Written { name: change.name().clone(), stamp: None });
                    report.written.extend(made);
                }
                Err(error) if report.written.is_empty() => return Err(error),
                Err(error) => {
                    report.failure = Some(error);
                    break;
                }
            }
        }
        Ok(report)
    }
}
