//! Whose credentials these are: asked before anything is written.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use aws_sdk_sts::Client;
use aws_sdk_sts::error::ProvideErrorMetadata;
use serde::Serialize;

use crate::aws::connect::Aws;
use crate::aws::fault::{Call, Fault};
use crate::env::{AWS_DEFAULT_REGION, AWS_PROFILE, AWS_REGION};
use crate::error::{Error, ErrorKind, Result};
use crate::names::quoted;

/// Whose credentials are used, as AWS says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// The account's 12 digits.
    pub account: String,
    /// The user or role, as an ARN.
    pub arn: String,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in account {}", self.arn, self.account)
    }
}

impl Aws {
    /// Whose credentials are used; asked once.
    ///
    /// # Errors
    /// `Denied` without credentials, or with expired ones; `Unavailable` or `TimedOut`.
    pub async fn identity(&self) -> Result<&Identity> {
        self.known_identity().get_or_try_init(|| self.ask_identity()).await
    }

    /// Lets a write pass only where it was meant to go: to the account that is named, if one is, and to the region of
    /// infra.toml, where the environment does not name another one for the programs that read it, such as Terraform.
    ///
    /// Everything in this room that writes asks first; the account is asked for once.
    ///
    /// # Errors
    /// `Denied` when account or region are others; as [`identity`](Aws::identity).
    pub async fn before_write(&self) -> Result<()> {
        let other = self.named_region().and_then(|named| {
            let said = self.env().get(AWS_REGION).or_else(|| self.env().get(AWS_DEFAULT_REGION))?;
            (said != named).then_some((named, said))
        });
        if let Some((named, said)) = other {
            return Err(Error::new(ErrorKind::Denied, "two regions are named, so this was not written")
                .with("infra.toml", named)
                .with(AWS_REGION, quoted(said))
                .hint(format!("unset {AWS_REGION} and {AWS_DEFAULT_REGION}, or set them to `{named}`"))
                .hint("or choose the environment of the other region with `--env`"));
        }
        self.before_read().await
    }

    /// Lets a read pass only where it was meant to go, to the account that is named, if one is: what another one has would
    /// be told as what is here, or as missing.
    ///
    /// Everything in this room that reads what an environment holds asks first; images may be read by other accounts.
    ///
    /// # Errors
    /// `Denied` when the account is another; as [`identity`](Aws::identity).
    pub async fn before_read(&self) -> Result<()> {
        let Some(wanted) = self.account() else { return Ok(()) };
        // On the heap, and by its trait alone: every request holds this one, and the compiler counts how deep they nest.
        let asked: Pin<Box<dyn Future<Output = Result<&Identity>> + Send + '_>> = Box::pin(self.identity());
        let identity = asked.await?;
        if identity.account == wanted {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Denied,
            "these credentials are of another account, so nothing was read or written",
        )
        .with("wanted", wanted)
        .with("account", &identity.account)
        .with("identity", &identity.arn)
        .hint("set AWS_PROFILE to a profile of the wanted account, or sign in to it")
        .hint("or correct `account` of this environment in infra.toml"))
    }

    async fn ask_identity(&self) -> Result<Identity> {
        let call = Call { action: "sts:GetCallerIdentity", on: self.region() };
        let client = self.client("STS", |config, endpoint| {
            let mut config = aws_sdk_sts::config::Builder::from(config);
            config.set_endpoint_url(endpoint);
            Client::from_conf(config.build())
        });
        let answer = client.await?.get_caller_identity().send().await;
        let answer = answer.map_err(|error| {
            let error = Error::from(Fault::of(call, &error, error.code(), error.message()));
            // AWS's SDK passes over a profile that is not there, and ends with the last place it looked at.
            match self.env().get(AWS_PROFILE) {
                Some(profile) if error.kind() == ErrorKind::Denied => error
                    .with(AWS_PROFILE, quoted(profile))
                    .hint("`aws configure list-profiles` lists the profiles that are there"),
                _ => error,
            }
        })?;
        let (Some(account), Some(arn)) = (answer.account, answer.arn) else {
            return Err(Error::new(ErrorKind::Unavailable, "AWS did not say whose credentials these are")
                .hint("check that AWS_ENDPOINT_URL names a service that answers as AWS does")
                .retryable());
        };
        Ok(Identity { account, arn })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Env;

    #[tokio::test]
    async fn a_region_that_the_environment_contradicts_is_written_to_by_nobody() {
        let env = |region| Env::of([(AWS_REGION, region)], "/");
        let other = Aws::connect(&env("us-east-1"), Some("eu-central-1")).unwrap();
        let error = other.before_write().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert!(error.to_string().contains("us-east-1") && error.hints()[0].contains("eu-central-1"));
        Aws::connect(&env("eu-central-1"), Some("eu-central-1")).unwrap().before_write().await.unwrap();
        Aws::connect(&env("eu-central-1"), None).unwrap().before_write().await.unwrap();
        let copy = Aws::connect(&env("eu-central-1"), Some("eu-central-1")).unwrap();
        copy.in_region("us-east-1").unwrap().before_write().await.unwrap();
    }
}
