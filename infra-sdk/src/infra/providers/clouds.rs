//! The way to reach AWS that everything of one environment shares.

/// AWS as an environment of `infra.toml` names it; put together when it is first needed.
#[derive(Debug, Default)]
pub(in crate::infra) struct Clouds {
    #[cfg(feature = "aws-base")]
    aws: std::sync::OnceLock<crate::aws::Aws>,
}

#[cfg(feature = "aws-base")]
mod aws {
    use crate::aws::Aws;
    use crate::config::{Config, Provider};
    use crate::env::Env;
    use crate::error::Result;
    use crate::infra::open::Infra;
    use crate::infra::providers::Clouds;

    impl Clouds {
        /// AWS in the environment's region; writes are let pass to the environment's account only.
        ///
        /// # Errors
        /// `Invalid` without a region, or with one that cannot be one.
        pub(in crate::infra) fn aws(&self, env: &Env, config: &Config) -> Result<Aws> {
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
        pub(in crate::infra) fn aws(&self) -> Result<Aws> {
            self.clouds().aws(self.env(), self.config())
        }
    }
}

/// Lets Terraform change only what is of the account and region that infra.toml names, where Terraform finds the same
/// credentials as this program. Over state in R2 it does not: there the code names a profile.
///
/// # Errors
/// `Denied` when they are others; `NotBuilt` when an account is named and nothing here can ask whose credentials these are.
pub(in crate::infra) async fn before_apply(infra: &crate::infra::open::Infra) -> crate::error::Result<()> {
    use crate::config::{Provider, StateKind};

    let section = infra.config().section()?;
    let in_r2 = section.state.as_ref().is_some_and(|state| state.backend == StateKind::R2);
    if section.provider != Provider::Aws || section.account.is_none() || in_r2 {
        return Ok(());
    }
    #[cfg(feature = "aws-base")]
    return infra.aws()?.before_write().await;
    #[cfg(not(feature = "aws-base"))]
    Err(crate::infra::absent::Absent::new("comparing the account", "aws", infra.environment()).error())
}
