//! The way to reach AWS that everything of one environment shares.

/// AWS as an environment of `infra.toml` names it; put together when it is first needed.
#[derive(Debug, Default)]
pub(in crate::infra) struct Clouds {
    #[cfg(feature = "aws-base")]
    aws: std::sync::OnceLock<crate::aws::Aws>,
}

#[cfg(feature = "aws-ssm")]
pub(super) use aws::unreachable;

#[cfg(not(feature = "aws-ssm"))]
impl Clouds {
    /// What stands behind a port of AWS that is not compiled in.
    pub(super) fn absent(
        &self,
        wanted: &str,
        feature: &'static str,
        environment: &crate::names::EnvName,
    ) -> crate::infra::absent::Absent {
        crate::infra::absent::Absent::new(wanted, feature, environment)
    }
}

#[cfg(feature = "aws-base")]
mod aws {
    use crate::aws::Aws;
    use crate::config::{Config, Provider};
    use crate::env::Env;
    #[cfg(feature = "aws-ssm")]
    use crate::error::Error;
    use crate::error::Result;
    use crate::infra::open::Infra;
    use crate::infra::providers::Clouds;
    #[cfg(feature = "aws-ssm")]
    use crate::names::EnvName;

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

    /// What stands behind a port whose provider cannot be reached as the environment is: that is told when it is used, for
    /// not everything that is done in an environment needs it.
    #[cfg(feature = "aws-ssm")]
    pub(in crate::infra) fn unreachable(
        wanted: &str,
        error: &Error,
        environment: &EnvName,
    ) -> crate::infra::absent::Absent {
        let mut absent = crate::infra::absent::Absent::new(wanted, "", environment);
        absent.instead = Some((error.kind(), error.to_string(), error.hints().to_vec()));
        absent
    }

    impl Infra {
        /// AWS as this environment names it.
        pub(in crate::infra) fn aws(&self) -> Result<Aws> {
            self.clouds().aws(self.env(), self.config())
        }
    }
}
