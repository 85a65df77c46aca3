//! `Infra`: the ports of one environment, each with the provider that `infra.toml` asks for.

use std::fmt;
use std::sync::Arc;

use crate::config::{Config, Pin, Settings};
use crate::deploy::DeployTarget;
use crate::env::{Env, INFRA_RUN_ORG, SECRET};
use crate::error::{Error, ErrorKind, Result};
use crate::events::{EventBus, EventStore};
use crate::images::ImageRegistry;
use crate::infra::home::Home;
use crate::infra::host::Host;
use crate::infra::providers::Providers;
use crate::ledger::Ledger;
use crate::names::EnvName;
use crate::refs::{Expectation, ParameterStore};
use crate::runs::RunStore;
use crate::secret::SecretValue;
use crate::secrets::{KeyKeeper, Sealer, SecretSource, SecretStore};
use crate::state::{Locks, StateBackend, StateLocks, StateStore};

/// One environment of one repo: settings, ports, and the flows over them. Cheap to clone.
#[derive(Clone)]
pub struct Infra {
    shared: Arc<Shared>,
    host: Host,
    expected: Arc<[Expectation]>,
}

struct Shared {
    env: Env,
    config: Config,
    home: Home,
    providers: Providers,
}

/// What stands behind each port of an environment.
#[derive(Clone)]
pub struct Ports {
    /// Where this repo's values are kept.
    pub secrets: Arc<dyn SecretStore>,
    /// Where they are read back, for environments that give them back.
    pub secret_source: Arc<dyn SecretSource>,
    /// Who keeps the key of fingerprints.
    pub keys: Arc<dyn KeyKeeper>,
    /// Who encrypts for the team.
    pub sealer: Arc<dyn Sealer>,
    /// Where repos publish and read.
    pub params: Arc<dyn ParameterStore>,
    /// Where they publish, too: the other regions of the environment.
    pub replicas: Vec<Replica>,
    /// Where images are kept.
    pub images: Arc<dyn ImageRegistry>,
    /// Where Terraform keeps its state.
    pub state: Arc<dyn StateBackend>,
    /// The locks that Terraform takes on it.
    pub state_locks: Arc<dyn StateLocks>,
    /// The place that holds it, as far as it has to be made ready.
    pub state_store: Arc<dyn StateStore>,
    /// Who may change things now.
    pub locks: Arc<dyn Locks>,
    /// Where releases run.
    pub deploy: Arc<dyn DeployTarget>,
    /// What repos tell each other.
    pub events: Arc<dyn EventBus>,
    /// The service that carries it between machines, as far as it has to be made ready.
    pub event_store: Arc<dyn EventStore>,
    /// Deploys over many repos.
    pub runs: Arc<dyn RunStore>,
    /// What was done.
    pub ledger: Arc<dyn Ledger>,
}

/// The parameters of another region, which hold what is published in the environment's own.
#[derive(Clone)]
pub struct Replica {
    /// The region.
    pub region: String,
    /// Its parameters.
    pub store: Arc<dyn ParameterStore>,
}

impl Infra {
    /// Opens the environment that `config` chose.
    ///
    /// # Errors
    /// `NotFound` when there is no folder for the local provider; `NotBuilt` when values are kept in a vault and that is not
    /// compiled in. What else is not compiled in fails with `NotBuilt`, naming the feature, when it is used.
    pub fn open(env: &Env, config: Config, host: Host) -> Result<Self> {
        let org = &config.settings().project.org;
        if let Some(wanted) = env.get(INFRA_RUN_ORG).filter(|wanted| *wanted != org.as_str()) {
            return Err(Error::new(
                ErrorKind::Denied,
                format!("this checkout is of the organisation `{org}`"),
            )
            .with("the run is of", wanted)
            .hint("let the agent serve checkouts of its own organisation alone"));
        }
        let home = home_of(env, &config)?;
        let providers = Providers::choose(env, &config, &home)?;
        let variables = SECRET.iter().filter_map(|name| env.get(name)).map(SecretValue::new);
        variables.chain(providers.secret().cloned()).for_each(|secret| host.learn(&secret));
        let shared = Shared { env: env.clone(), config, home, providers };
        Ok(Infra { shared: Arc::new(shared), host, expected: Arc::default() })
    }

    /// The same environment, for a repo that reads references as these types: the check of references compares them with
    /// what is promised.
    #[must_use]
    pub fn expecting(self, expected: impl IntoIterator<Item = Expectation>) -> Self {
        Infra { expected: expected.into_iter().collect(), ..self }
    }

    /// The types that this repo reads references as.
    pub(super) fn expected(&self) -> &[Expectation] {
        &self.expected
    }

    /// The same environment for another host: another task, with its own lines and end.
    #[must_use]
    pub fn for_host(&self, host: Host) -> Self {
        Infra { shared: self.shared.clone(), host, expected: self.expected.clone() }
    }

    /// Checks, before anything is changed, that the tag of the organisation's file has not moved. A remote that does
    /// not answer is a warning: the locked file is used.
    pub(super) async fn before_change(&self) -> Result<()> {
        let pin = self.config().verify_pin().await?;
        if matches!(pin, Pin::Unverified { .. }) {
            self.host().tell(&format!("warning: {pin}"));
        }
        Ok(())
    }

    /// The settings of this repo in this environment.
    pub fn settings(&self) -> &Settings {
        self.shared.config.settings()
    }

    /// The settings with their origins.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// The environment's name.
    pub fn environment(&self) -> &EnvName {
        self.shared.config.environment()
    }

    /// The ports, for what no flow covers.
    pub fn ports(&self) -> &Ports {
        &self.providers().ports
    }

    pub(super) fn providers(&self) -> &Providers {
        &self.shared.providers
    }

    /// The folders of the local provider.
    pub fn home(&self) -> &Home {
        &self.shared.home
    }

    /// The process environment it was opened with.
    pub fn env(&self) -> &Env {
        &self.shared.env
    }

    /// Where lines go, what is masked, when to stop.
    pub fn host(&self) -> &Host {
        &self.host
    }
}

impl fmt::Debug for Infra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Infra({} in {})", self.settings().project.name, self.environment())
    }
}

fn home_of(env: &Env, config: &Config) -> Result<Home> {
    let project = &config.settings().project;
    Home::new(env, project.org.clone(), config.environment().clone(), project.name.clone())
}
