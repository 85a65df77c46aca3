//! Amazon Web Services: references and secrets in Systems Manager's Parameter Store, secrets in Secrets Manager.
//!
//! Nothing here has been held against an account: the tests run against an emulator and against scripted answers, and
//! what those cannot show comes from AWS's documentation.

mod connect;
mod endpoint;
mod fault;
mod identity;
mod meaning;
#[cfg(feature = "aws-ssm")]
mod parameters;
#[cfg(feature = "aws-ssm")]
mod parameters_read;
#[cfg(feature = "aws-ssm")]
mod parameters_write;
#[cfg(any(feature = "aws-ssm", feature = "aws-secrets-manager"))]
mod place;
#[cfg(feature = "aws-secrets-manager")]
mod secrets_manager;
#[cfg(feature = "aws-secrets-manager")]
mod secrets_manager_limits;
#[cfg(feature = "aws-secrets-manager")]
mod secrets_manager_write;
#[cfg(feature = "aws-ssm")]
mod ssm;
#[cfg(feature = "aws-ssm")]
mod ssm_limits;

pub use connect::Aws;
pub use identity::Identity;
#[cfg(feature = "aws-ssm")]
pub use parameters::SsmParameters;
#[cfg(feature = "aws-secrets-manager")]
pub use secrets_manager::SecretsManagerSecrets;
#[cfg(feature = "aws-ssm")]
pub use ssm::SsmSecrets;
