//! Amazon Web Services: references and secrets in Systems Manager, secrets in Secrets Manager, images in ECR, Terraform
//! state in S3, releases on ECS.
//!
//! Nothing here has been held against an account: the tests run against an emulator and against scripted answers, and
//! what those cannot show comes from AWS's documentation.

mod connect;
#[cfg(feature = "aws-ecr")]
mod ecr;
#[cfg(feature = "aws-ecs")]
mod ecs;
#[cfg(any(feature = "aws-ssm", feature = "aws-secrets-manager"))]
mod echo;
mod endpoint;
mod fault;
mod identity;
mod meaning;
#[cfg(any(feature = "aws-ssm", feature = "aws-secrets-manager"))]
mod lists;
#[cfg(any(feature = "aws-ecr", feature = "aws-ssm", feature = "aws-secrets-manager"))]
mod pages;
#[cfg(feature = "aws-ssm")]
mod parameters;
#[cfg(feature = "aws-ssm")]
mod parameters_read;
#[cfg(feature = "aws-ssm")]
mod parameters_write;
#[cfg(any(feature = "aws-ssm", feature = "aws-secrets-manager"))]
mod place;
#[cfg(feature = "aws-s3")]
mod s3;
#[cfg(feature = "aws-secrets-manager")]
mod secrets_manager;
#[cfg(feature = "aws-secrets-manager")]
mod secrets_manager_limits;
#[cfg(feature = "aws-secrets-manager")]
mod secrets_manager_write;
#[cfg(any(feature = "aws-ssm", feature = "aws-secrets-manager", feature = "aws-s3", feature = "aws-ecs"))]
mod several;
#[cfg(feature = "aws-ssm")]
mod ssm;
#[cfg(feature = "aws-ssm")]
mod ssm_limits;

pub use connect::Aws;
#[cfg(feature = "aws-ecr")]
pub use ecr::{Ecr, EcrRegistry};
#[cfg(feature = "aws-ecs")]
pub use ecs::{EcsPlace, EcsService};
pub use identity::Identity;
#[cfg(feature = "aws-ssm")]
pub use parameters::SsmParameters;
#[cfg(feature = "aws-s3")]
pub use s3::{Bucket, S3Ledger, S3Locks, S3State};
#[cfg(feature = "aws-secrets-manager")]
pub use secrets_manager::SecretsManagerSecrets;
#[cfg(feature = "aws-ssm")]
pub use ssm::SsmSecrets;
