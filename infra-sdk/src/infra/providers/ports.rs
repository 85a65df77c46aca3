//! Which provider stands behind each port of an environment.

use std::sync::Arc;

use crate::config::{Config, Provider};
use crate::env::Env;
use crate::error::Result;
use crate::infra::home::Home;
use crate::infra::open::Ports;
use crate::infra::providers::{Clouds, images, parameters, records, state, targets, vault};
use crate::local::LocalSecrets;
use crate::secrets::{KeyKeeper, Sealer, SecretSource, SecretStore};

/// What every choice is made from.
pub(in crate::infra) struct Choice<'a> {
    pub(in crate::infra) env: &'a Env,
    pub(in crate::infra) config: &'a Config,
    pub(in crate::infra) home: &'a Home,
    /// What is shared by everything that reaches AWS.
    pub(in crate::infra) clouds: &'a Clouds,
}

impl Choice<'_> {
    /// The provider of an environment as people write it and the feature it needs, if it is not the local one.
    pub(super) fn remote(&self) -> Result<Option<(&'static str, &'static str)>> {
        Ok(match self.config.section()?.provider {
            Provider::Local => None,
            Provider::Aws => Some(("provider = \"aws\"", "aws")),
            Provider::Cloudflare => Some(("provider = \"cloudflare\"", "cloudflare")),
        })
    }
}

/// The ports of an environment.
pub(in crate::infra) fn choose(choice: &Choice<'_>) -> Result<Ports> {
    let values = values(choice)?;
    let images = images::open(choice)?;
    Ok(Ports {
        secrets: values.store,
        secret_source: values.source,
        keys: values.keys,
        sealer: values.sealer,
        params: parameters::open(choice)?,
        replicas: parameters::replicas(choice)?,
        deploy: targets::open(choice, &images)?,
        images,
        state: state::open(choice)?,
        locks: state::locks(choice)?,
        events: records::events(choice)?,
        ledger: records::ledger(choice)?,
    })
}

/// Where values are kept: in the repo's vault if there are recipients, else on this machine. What is `local` to a
/// laptop never goes into the repo.
pub(super) struct Values {
    pub(super) store: Arc<dyn SecretStore>,
    pub(super) source: Arc<dyn SecretSource>,
    pub(super) keys: Arc<dyn KeyKeeper>,
    pub(super) sealer: Arc<dyn Sealer>,
}

fn values(choice: &Choice<'_>) -> Result<Values> {
    if vault::keeps_values(choice.config) {
        return vault::values(choice.env, choice.config);
    }
    let sealer = vault::sealer(choice.env, choice.config)?;
    let local = Arc::new(LocalSecrets::new(choice.home.secrets()));
    Ok(Values { store: local.clone(), source: local.clone(), keys: local, sealer })
}
