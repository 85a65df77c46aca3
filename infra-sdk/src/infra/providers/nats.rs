//! The connection to NATS that everything of one environment shares.

use std::sync::OnceLock;

use crate::config::Config;
use crate::env::Env;
use crate::error::Result;
use crate::nats::{Nats, Target};
use crate::secret::SecretValue;

/// NATS as an environment of `infra.toml` names it; put together when it is first needed.
#[derive(Debug, Default)]
pub(super) struct Wire(OnceLock<Nats>);

impl Wire {
    /// What nobody else may see of who asks.
    pub(super) fn secret(&self) -> Option<&SecretValue> {
        self.0.get()?.target().secret()
    }

    /// NATS of the environment, or `None` where it names none. No connection is made yet.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub(super) fn nats(&self, env: &Env, config: &Config) -> Result<Option<Nats>> {
        let Some(settings) = &config.section()?.nats else { return Ok(None) };
        if let Some(nats) = self.0.get() {
            return Ok(Some(nats.clone()));
        }
        let target = Target::resolve(env, settings, config.root())?;
        let name = format!("infra-sdk {}", config.settings().project.name);
        Ok(Some(self.0.get_or_init(|| Nats::new(target, name)).clone()))
    }
}
