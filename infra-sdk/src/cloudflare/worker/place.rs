//! Which Worker is meant, what describes it, and where it answers.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cloudflare::account::{check_account, check_script};
use crate::config::Deploy;
use crate::error::Result;
use crate::names::{EnvName, RepoName};

/// A Worker of Cloudflare, and the files it is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WorkerPlace {
    /// The id of its account; `None`: the one that `CLOUDFLARE_ACCOUNT_ID` names.
    pub account: Option<String>,
    /// Its name.
    pub script: String,
    /// The environment it serves; a section `env` of this name in wrangler's settings is the one that is used.
    pub environment: EnvName,
    /// The folder of the repo.
    pub root: PathBuf,
    /// wrangler's settings, below that folder; `None`: `wrangler.json`, `wrangler.jsonc` or `wrangler.toml`.
    pub settings: Option<PathBuf>,
    /// Where it answers; `None`: its address at workers.dev, if it has one.
    pub url: Option<String>,
    /// The class of the container that gets the image, where there are several.
    pub container: Option<String>,
}

impl WorkerPlace {
    /// What `[deploy]` says: by default the Worker called like the project.
    ///
    /// ```
    /// use infra_sdk::cloudflare::WorkerPlace;
    /// use infra_sdk::config::Deploy;
    /// let deploy = Deploy { service: Some("shop-staging".into()), ..Deploy::default() };
    /// let place = WorkerPlace::of(&deploy, &"shop".parse()?, &"staging".parse()?, "/srv/shop");
    /// assert_eq!(place.to_string(), "the Worker shop-staging");
    /// # Ok::<(), infra_sdk::Error>(())
    /// ```
    pub fn of(deploy: &Deploy, project: &RepoName, environment: &EnvName, root: impl AsRef<Path>) -> Self {
        WorkerPlace {
            account: deploy.account.clone(),
            script: deploy.service.clone().unwrap_or_else(|| project.to_string()),
            environment: environment.clone(),
            root: root.as_ref().to_owned(),
            settings: deploy.wrangler.as_ref().map(PathBuf::from),
            url: deploy.url.clone(),
            container: deploy.container.clone(),
        }
    }

    /// Names as Cloudflare takes them.
    pub(super) fn check(&self) -> Result<()> {
        self.account.as_deref().map_or(Ok(()), check_account)?;
        check_script(&self.script)
    }
}

impl fmt::Display for WorkerPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the Worker {}", self.script)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_lead_elsewhere_are_refused() {
        let deploy = |service: &str, account: Option<&str>| Deploy {
            service: Some(service.into()),
            account: account.map(str::to_owned),
            ..Deploy::default()
        };
        let place = |deploy: &Deploy| {
            WorkerPlace::of(deploy, &"shop".parse().unwrap(), &"staging".parse().unwrap(), "/srv/shop")
        };
        place(&deploy("shop", None)).check().unwrap();
        assert_eq!(place(&Deploy::default()).script, "shop");
        for bad in [deploy("../x", None), deploy("", None), deploy("shop", Some("../x"))] {
            assert!(!place(&bad).check().unwrap_err().hints().is_empty());
        }
    }
}
