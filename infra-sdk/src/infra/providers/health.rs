//! What stands behind the question whether repos can talk to each other.

use std::sync::Arc;

use crate::config::Config;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::health::HealthCheck;
#[cfg(not(feature = "nats"))]
use crate::infra::absent::Absent;
use crate::infra::home::Home;
use crate::infra::providers::ports::Providers;
use crate::infra::unready::Unready;
use crate::local::LocalHealth;
#[cfg(feature = "nats")]
use crate::{
    config::Nats as Settings,
    events::Source,
    nats::{HealthSpec, NatsCheck},
};

impl Providers {
    /// The check of NATS as the environment names it; `monitor` goes before the one that infra.toml names. What is wrong
    /// with the settings is said when it is asked.
    pub(in crate::infra) fn nats_health(
        &self,
        env: &Env,
        config: &Config,
        home: &Home,
        monitor: Option<&str>,
    ) -> Arc<dyn HealthCheck> {
        self.try_nats_health(env, config, home, monitor)
            .unwrap_or_else(|error| Arc::new(Unready::new(&error)))
    }

    fn try_nats_health(
        &self,
        env: &Env,
        config: &Config,
        home: &Home,
        monitor: Option<&str>,
    ) -> Result<Arc<dyn HealthCheck>> {
        let section = config.section()?;
        match &section.nats {
            // Then events are lines of a file, whatever else is where. Whoever names a server's monitoring means a server.
            None if monitor.is_none() => {
                let events = home.events();
                Ok(Arc::new(LocalHealth::new(events.parent().unwrap_or(&events))))
            }
            None => Err(unnamed(config)),
            #[cfg(feature = "nats")]
            Some(settings) => self.named(env, config, settings, monitor),
            #[cfg(not(feature = "nats"))]
            Some(_) => {
                let _ = (self, env, monitor);
                Err(Absent::new("NATS", "nats", config.environment()).error())
            }
        }
    }

    #[cfg(feature = "nats")]
    fn named(
        &self,
        env: &Env,
        config: &Config,
        settings: &Settings,
        monitor: Option<&str>,
    ) -> Result<Arc<dyn HealthCheck>> {
        let project = &config.settings().project;
        let spec = HealthSpec {
            monitor: monitor.map(str::to_owned).or_else(|| settings.monitor.clone()),
            source: Some(Source::new(project.org.clone(), project.name.clone())),
            replicas: settings.replicas,
            ledger: settings.ledger,
            ..HealthSpec::default()
        };
        let nats = self.wire.nats(env, config)?.ok_or_else(|| unnamed(config))?;
        Ok(Arc::new(NatsCheck::new(nats, spec)))
    }
}

fn unnamed(config: &Config) -> Error {
    let environment = config.environment();
    Error::not_found("no NATS is named for this environment")
        .with("environment", environment)
        .hint(format!(
            "add `nats = {{ url = \"tls://HOST:4222\", creds = \"env://NATS_USER_CREDS\" }}` to [env.{environment}] in infra.toml"
        ))
        .hint("or `nats = {}`, which takes what the `nats` command line is set to use")
}
