//! Which provider stands behind each port of an environment.

use std::sync::Arc;

use crate::config::{Config, Provider, StateKind, Target};
use crate::deploy::DeployTarget;
use crate::env::Env;
use crate::error::Result;
use crate::images::ImageRegistry;
use crate::infra::absent::Absent;
use crate::infra::home::Home;
use crate::infra::open::Ports;
use crate::infra::providers::vault;
use crate::local::{
    LocalDeploy, LocalEvents, LocalLedger, LocalLocks, LocalParameters, LocalRegistry, LocalSecrets,
    LocalState,
};
use crate::refs::ParameterStore;
use crate::secrets::{KeyKeeper, Sealer, SecretSource, SecretStore};
use crate::state::StateBackend;

/// The ports of an environment.
pub(in crate::infra) fn choose(env: &Env, config: &Config, home: &Home) -> Result<Ports> {
    let values = values(env, config, home)?;
    let images = images(config, home)?;
    Ok(Ports {
        secrets: values.store,
        secret_source: values.source,
        keys: values.keys,
        sealer: values.sealer,
        params: params(config, home)?,
        deploy: deploy(env, config, home, &images)?,
        images,
        state: state(config, home)?,
        locks: Arc::new(LocalLocks::new(home.locks())),
        events: Arc::new(LocalEvents::new(home.events())),
        ledger: Arc::new(LocalLedger::new(home.ledger())),
    })
}

/// The provider of an environment as people write it and the feature it needs, if it is not the local one.
fn remote(config: &Config) -> Result<Option<(&'static str, &'static str)>> {
    Ok(match config.section()?.provider {
        Provider::Local => None,
        Provider::Aws => Some(("provider = \"aws\"", "aws")),
        Provider::Cloudflare => Some(("provider = \"cloudflare\"", "cloudflare")),
    })
}

fn params(config: &Config, home: &Home) -> Result<Arc<dyn ParameterStore>> {
    Ok(match remote(config)? {
        None => Arc::new(LocalParameters::new(home.params())),
        Some((wanted, feature)) => {
            Arc::new(Absent::new(format!("{wanted} for references"), feature, config.environment()))
        }
    })
}

fn images(config: &Config, home: &Home) -> Result<Arc<dyn ImageRegistry>> {
    Ok(match remote(config)? {
        None => Arc::new(LocalRegistry::new(home.registry())),
        Some((wanted, feature)) => {
            Arc::new(Absent::new(format!("{wanted} for images"), feature, config.environment()))
        }
    })
}

fn state(config: &Config, home: &Home) -> Result<Arc<dyn StateBackend>> {
    let environment = config.environment();
    let absent = |wanted: &str, feature| -> Arc<dyn StateBackend> {
        Arc::new(Absent::new(wanted, feature, environment))
    };
    Ok(match (config.section()?.state.as_ref().map(|state| state.backend), remote(config)?) {
        (Some(StateKind::Local), _) | (None, None) => Arc::new(LocalState::new(home.state())),
        (Some(StateKind::S3), _) => absent("state backend = \"s3\"", "aws-s3"),
        (Some(StateKind::R2), _) => absent("state backend = \"r2\"", "cloudflare"),
        (None, Some((wanted, feature))) => absent(&format!("{wanted} for Terraform state"), feature),
    })
}

fn deploy(
    env: &Env,
    config: &Config,
    home: &Home,
    images: &Arc<dyn ImageRegistry>,
) -> Result<Arc<dyn DeployTarget>> {
    let absent = |wanted: &str, feature| Arc::new(Absent::new(wanted, feature, config.environment()));
    Ok(match config.settings().deploy.target {
        Target::Local => Arc::new(LocalDeploy::new(home.deploy(), images.clone(), env)),
        Target::Ecs => absent("deploy target = \"ecs\"", "aws-ecs"),
        Target::Worker => absent("deploy target = \"worker\"", "cloudflare"),
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

fn values(env: &Env, config: &Config, home: &Home) -> Result<Values> {
    if vault::keeps_values(config) {
        return vault::values(env, config);
    }
    let sealer = vault::sealer(env, config)?;
    let local = Arc::new(LocalSecrets::new(home.secrets()));
    Ok(Values { store: local.clone(), source: local.clone(), keys: local, sealer })
}
