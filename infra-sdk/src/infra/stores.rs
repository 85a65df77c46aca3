//! The stores that secrets are synced to: what `targets` names, opened when it is first needed.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{Provider, Store, StoreKind, Target};
use crate::env::CLOUDFLARE_ACCOUNT_ID;
use crate::error::{Error, Result};
use crate::infra::open::Infra;
use crate::infra::providers;
use crate::names::{EnvName, Label, SecretName};
use crate::secrets::{Needs, SecretStore};

impl Infra {
    /// Which stores each needed secret goes to, by the stores' names. In `local`, values stay on this machine. A Worker that
    /// releases run as is no store by default: each release has its own secrets.
    ///
    /// # Errors
    /// `NotFound`, which cannot happen to settings that were loaded.
    pub fn sync_targets(&self) -> Result<BTreeMap<Label, BTreeSet<SecretName>>> {
        let mut targets: BTreeMap<Label, BTreeSet<SecretName>> = BTreeMap::new();
        if *self.environment() == EnvName::local() {
            return Ok(targets);
        }
        // Secrets reach a Worker with its releases. Another one, such as that of the project's name, may be what another
        // environment runs as.
        let is_worker = |label: &Label| Ok::<_, Error>(self.store_named(label)?.kind == StoreKind::Worker);
        let own = match own_store(self.config().section()?.provider) {
            Some(label) if self.settings().deploy.target == Target::Worker && is_worker(&label)? => None,
            own => own,
        };
        for (name, spec) in self.secret_needs().iter() {
            let default = own.iter().filter(|_| spec.targets.is_empty());
            for label in spec.targets.iter().chain(default) {
                targets.entry(label.clone()).or_default().insert(name.clone());
            }
        }
        Ok(targets)
    }

    /// Opens one of them.
    ///
    /// # Errors
    /// `NotBuilt` naming the feature when its kind is not compiled in; `Denied` or `Invalid` naming the variable when
    /// credentials are missing or the settings can not be used; `Invalid` for the Worker that releases run as.
    pub fn open_store(&self, label: &Label) -> Result<(std::sync::Arc<dyn SecretStore>, Option<f64>)> {
        let store = self.store_named(label)?;
        if self.is_released(&store) {
            return Err(Error::invalid(
                "the secrets of this Worker come with its releases, and are not synced to it",
            )
            .with("store", label)
            .with("worker", store.script.as_deref().unwrap_or_default())
            .hint("roll out to bring it what changed, and take the store out of `targets` in infra.toml")
            .hint("if another Worker is meant, set `script` of the store to it"));
        }
        Ok((providers::open_store(self, label, &store)?, store.writes_per_second))
    }

    /// What infra.toml says of a store, with this environment's names filled in.
    pub(super) fn store_named(&self, label: &Label) -> Result<Store> {
        let store = match (self.settings().store.get(label.as_str()), StoreKind::named(label.as_str())) {
            (Some(store), _) => store.clone(),
            (None, Some(kind)) => Store::of_kind(kind),
            (None, None) => {
                let known = self.settings().store.keys().map(Label::as_str);
                return Err(crate::names::unknown(
                    "store",
                    label.as_str(),
                    known,
                    "add it to infra.toml as `[store.NAME]`",
                ));
            }
        };
        let project = &self.settings().project;
        let fill = |text: &str| {
            text.replace("{org}", project.org.as_str())
                .replace("{project}", project.name.as_str())
                .replace("{env}", self.environment().as_str())
        };
        Ok(store.filled(fill))
    }

    /// Whether a store is the Worker that releases run as. Writing a secret makes a version of it that says nothing of
    /// itself, and gives it the requests.
    fn is_released(&self, store: &Store) -> bool {
        let deploy = &self.settings().deploy;
        if store.kind != StoreKind::Worker || deploy.target != Target::Worker {
            return false;
        }
        let script = deploy.service.as_deref().unwrap_or(self.settings().project.name.as_str());
        let account = |named: &Option<String>| {
            named.clone().or_else(|| self.env().get(CLOUDFLARE_ACCOUNT_ID).map(str::to_owned))
        };
        store.script.as_deref() == Some(script) && account(&store.account) == account(&deploy.account)
    }

    pub(super) fn secret_needs(&self) -> Needs {
        Needs::of(&self.settings().secrets, self.environment())
    }
}

/// Where secrets of an environment go that name no store.
pub(super) fn own_store(provider: Provider) -> Option<Label> {
    let kind = match provider {
        Provider::Local => return None,
        Provider::Aws => StoreKind::Ssm,
        Provider::Cloudflare => StoreKind::Worker,
    };
    Label::new(kind.as_str()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::env::Env;
    use crate::infra::Host;

    /// A project `shop` on Cloudflare with such settings of its releases, and with such stores.
    fn shop(deploy: &str, more: &str) -> Infra {
        let home = std::env::temp_dir().join(format!("infra-sdk-stores-{}", crate::id::short().unwrap()));
        let home = home.to_str().unwrap();
        let vars = [("INFRA_HOME", home), ("CLOUDFLARE_API_TOKEN", "x"), ("CLOUDFLARE_ACCOUNT_ID", ACCOUNT)];
        let text = format!(
            "[project]\nname = \"shop\"\nkind = \"webapp\"\norg = \"acme\"\n[env.staging]\nprovider = \"cloudflare\"\n\
             [env.staging.deploy]\n{deploy}\n[secrets.TOKEN]\n{more}\n"
        );
        let config = Config::of_text(&text, home, "staging").unwrap();
        Infra::open(&Env::of(vars, home), config, Host::silent()).unwrap()
    }

    const ACCOUNT: &str = "023e105f4ecef8ad9ca31a8372d0c353";
    const OTHER: &str = "123e105f4ecef8ad9ca31a8372d0c353";

    #[test]
    fn where_releases_are_workers_no_worker_is_a_store_by_itself() {
        let targets = |deploy: &str, more: &str| -> Vec<String> {
            shop(deploy, more).sync_targets().unwrap().into_keys().map(|label| label.to_string()).collect()
        };
        let own = format!("target = \"worker\"\naccount = \"{ACCOUNT}\"");
        for same in ["target = \"worker\"", "target = \"worker\"\nservice = \"shop\"", &own] {
            assert_eq!(targets(same, ""), [""; 0], "{same}");
        }
        let elsewhere = format!("target = \"worker\"\naccount = \"{OTHER}\"");
        for other in ["target = \"worker\"\nservice = \"shop-staging\"", &elsewhere] {
            assert_eq!(
                targets(other, ""),
                [""; 0],
                "{other}: nothing says that the Worker `shop` is of staging"
            );
            assert_eq!(targets(other, "targets = [\"worker\"]"), ["worker"], "{other}");
        }
        assert_eq!(targets("target = \"local\"", ""), ["worker"]);
    }

    #[test]
    fn naming_the_worker_that_releases_run_as_is_refused_with_the_way_out() {
        let label = || Label::new("worker").unwrap();
        let refused = |infra: &Infra| {
            infra.open_store(&label()).map(drop).err().filter(|error| {
                error.kind() == crate::error::ErrorKind::Invalid
                    && error.to_string().contains("come with its releases")
            })
        };
        let infra = shop("target = \"worker\"", "targets = [\"worker\"]");
        let error = refused(&infra).unwrap();
        assert!(
            error.to_string().contains("worker: shop") && error.hints()[0].contains("`targets`"),
            "{error:?}"
        );
        let script = "targets = [\"worker\"]\n[store.worker]\nkind = \"worker\"\nscript = \"shop-jobs\"";
        assert!(refused(&shop("target = \"worker\"", script)).is_none());
    }
}
