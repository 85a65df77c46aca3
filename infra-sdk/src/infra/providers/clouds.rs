//! The way to reach AWS that everything of one environment shares.

use std::sync::OnceLock;

use crate::aws::Aws;
use crate::config::{Config, Provider};
use crate::env::Env;
use crate::error::Result;
use crate::infra::open::Infra;

/// AWS as an environment of `infra.toml` names it; put together when it is first needed.
#[derive(Debug, Default)]
pub(super) struct Clouds {
    aws: OnceLock<Aws>,
}

impl Clouds {
    /// AWS in the environment's region; writes are let pass to the environment's account only.
    ///
    /// # Errors
    /// `Invalid` without a region, or with one that cannot be one.
    pub(super) fn aws(&self, env: &Env, config: &Config) -> Result<Aws> {
        if let Some(aws) = self.aws.get() {
            return Ok(aws.clone());
        }
        let section = config.section()?;
        let mut aws = Aws::connect(env, section.region.as_deref())?;
        // Another provider's account is none of AWS.
        if let Some(account) = section.account.as_ref().filter(|_| section.provider == Provider::Aws) {
            aws = aws.for_account(account)?;
        }
        Ok(self.aws.get_or_init(|| aws).clone())
    }
}

impl Infra {
    /// AWS as this environment names it.
    ///
    /// # Errors
    /// `Invalid` without a region, or with one that cannot be one.
    pub(in crate::infra) fn aws(&self) -> Result<Aws> {
        self.providers().clouds.aws(self.env(), self.config())
    }
}
