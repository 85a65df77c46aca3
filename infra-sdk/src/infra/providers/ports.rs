//! Which provider stands behind each port of an environment.

use std::sync::Arc;

use crate::config::{Config, Provider};
use crate::env::Env;
use crate::error::Result;
use crate::infra::home::Home;
use crate::infra::open::Ports;
#[cfg(feature = "aws-base")]
use crate::infra::providers::clouds::Clouds;
#[cfg(feature = "nats")]
use crate::infra::providers::nats::Wire;
use crate::infra::providers::{images, parameters, records, runs, state, targets, vault};
use crate::local::LocalSecrets;
use crate::secret::SecretValue;
use crate::secrets::{KeyKeeper, Sealer, SecretSource, SecretStore};

/// Everything behind one environment.
pub(in crate::infra) struct Providers {
    pub(in crate::infra) ports: Ports,
    #[cfg(feature = "aws-base")]
    pub(super) clouds: Clouds,
    #[cfg(feature = "nats")]
    pub(super) wire: Wire,
}

/// What every choice is made from.
pub(super) struct Choice<'a> {
    pub(super) env: &'a Env,
    pub(super) config: &'a Config,
    pub(super) home: &'a Home,
    #[cfg(feature = "aws-base")]
    #[cfg_attr(
        not(any(feature = "aws-ssm", feature = "aws-ecr", feature = "aws-s3", feature = "aws-ecs")),
        expect(dead_code, reason = "no port that is compiled in reaches AWS")
    )]
    pub(super) clouds: &'a Clouds,
    #[cfg(feature = "nats")]
    pub(super) wire: &'a Wire,
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

impl Providers {
    /// The providers of the environment that `config` chose.
    pub(in crate::infra) fn choose(env: &Env, config: &Config, home: &Home) -> Result<Self> {
        #[cfg(feature = "aws-base")]
        let clouds = Clouds::default();
        #[cfg(feature = "nats")]
        let wire = Wire::default();
        let choice = Choice {
            env,
            config,
            home,
            #[cfg(feature = "aws-base")]
            clouds: &clouds,
            #[cfg(feature = "nats")]
            wire: &wire,
        };
        let ports = ports(&choice)?;
        Ok(Providers {
            ports,
            #[cfg(feature = "aws-base")]
            clouds,
            #[cfg(feature = "nats")]
            wire,
        })
    }
}

impl Providers {
    /// What connections show to services beside what stands in variables: children could print it.
    pub(in crate::infra) fn secret(&self) -> Option<&SecretValue> {
        #[cfg(feature = "nats")]
        return self.wire.secret();
        #[cfg(not(feature = "nats"))]
        None
    }
}

fn ports(choice: &Choice<'_>) -> Result<Ports> {
    let values = values(choice)?;
    let images = images::open(choice)?;
    let deploy = targets::open(choice, &images, &values.keys)?;
    let state = state::open(choice)?;
    Ok(Ports {
        secrets: values.store,
        secret_source: values.source,
        keys: values.keys,
        sealer: values.sealer,
        params: parameters::open(choice)?,
        replicas: parameters::replicas(choice)?,
        deploy,
        images,
        state: state.backend,
        state_locks: state.state_locks,
        state_store: state.store,
        locks: state.locks,
        events: records::events(choice)?,
        event_store: records::store(choice)?,
        runs: runs::open(choice)?,
        ledger: records::ledger(choice, state.ledger)?,
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
