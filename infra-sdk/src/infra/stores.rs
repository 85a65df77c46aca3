//! The stores that secrets are synced to: what `targets` names, opened when it is first needed.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{Provider, Store, StoreKind};
use crate::error::Result;
use crate::infra::open::Infra;
use crate::infra::providers;
use crate::names::{EnvName, Label, SecretName};
use crate::secrets::{Needs, SecretStore};

impl Infra {
    /// Which stores each needed secret goes to, by the stores' names. In `local`, values stay on this machine.
    ///
    /// # Errors
    /// `NotFound`, which cannot happen to settings that were loaded.
    pub fn sync_targets(&self) -> Result<BTreeMap<Label, BTreeSet<SecretName>>> {
        let mut targets: BTreeMap<Label, BTreeSet<SecretName>> = BTreeMap::new();
        if *self.environment() == EnvName::local() {
            return Ok(targets);
        }
        let own = own_store(self.config().section()?.provider);
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
    /// credentials are missing or the settings can not be used.
    pub fn open_store(&self, label: &Label) -> Result<(std::sync::Arc<dyn SecretStore>, Option<f64>)> {
        let store = self.store_named(label)?;
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
