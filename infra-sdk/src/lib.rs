//! An organisation's infrastructure platform as one crate: typed functions for secrets, references, images, Terraform
//! and deploys, and a task runtime that composes them into `cargo xtask setup | build | deploy`.
//!
//! Start a repo's `xtask` with [`main`]; use the rooms below alone from a tool of your own. `ARCHITECTURE.md` in the
//! repository is the map.
//!
//! | feature | adds |
//! | --- | --- |
//! | `derive` | per-task flags from `#[derive(clap::Args)]` structs |
//! | `vault` | secrets in the repo, encrypted with age, and encrypted backups |
//! | `github` | GitHub's secrets of repositories, environments and organisations |
//! | `cloudflare` | Cloudflare: Worker secrets, what a token may do, R2 buckets and their keys |
//! | `aws-ssm` | references and secrets in Parameter Store |
//! | `aws-secrets-manager` | secrets in Secrets Manager |
//! | `aws-ecr` | images in ECR |
//! | `aws-s3` | Terraform state, locks and the ledger in S3 and R2 |
//! | `aws-ecs` | releases on ECS |
//! | `aws` | everything of AWS |
//! | `registry` | images in any registry that speaks OCI's protocol |
//! | `nats` | events, runs and the ledger in NATS JetStream, and its health |
//! | `policy` | rules of your own about plans, in Rego |
//! | `full` | all of them |

// The floor: each may use the ones before it.
pub mod error;
pub mod names;
pub mod secret;
pub mod id;
pub mod digest;
pub mod time;
pub mod day;
pub mod env;
pub mod file;
pub mod lines;
pub mod cancel;
pub(crate) mod renewal;
pub mod mask;
pub mod process;
pub mod retry;
pub mod tree;
#[cfg(any(feature = "github", feature = "cloudflare", feature = "registry"))]
#[cfg_attr(
    not(any(test, all(feature = "github", feature = "cloudflare", feature = "registry"))),
    expect(dead_code, reason = "each of the three needs a part of it")
)]
#[cfg_attr(
    not(any(test, feature = "github", feature = "cloudflare")),
    expect(unused_imports, reason = "a registry speaks no plain JSON")
)]
pub(crate) mod http;

// The task runtime, and the settings.
pub mod app;
pub mod config;

// What there is to do: each with its port, where providers differ.
pub mod secrets;
pub mod refs;
pub mod images;
pub mod state;
pub mod tools;
pub mod plan;
pub mod terraform;
pub mod deploy;
pub mod events;
pub mod runs;
pub mod health;
pub mod ledger;
pub mod manifests;

// Who does it.
pub mod local;
#[cfg(feature = "vault")]
pub mod vault;
#[cfg(feature = "registry")]
pub mod registry;
#[cfg(feature = "aws-base")]
pub mod aws;
#[cfg(feature = "github")]
pub mod github;
#[cfg(feature = "cloudflare")]
pub mod cloudflare;
#[cfg(feature = "nats")]
pub mod nats;
#[cfg(feature = "policy")]
pub mod rego;

// Everything together: one environment, and the tasks on it.
pub mod infra;
pub mod tasks;

pub use app::{App, Console, Cx, TaskArgs, TaskId, TaskRef};
pub use cancel::CancelToken;
/// The command line library, for flags of tasks without a version of your own.
pub use clap;
pub use config::Config;
pub use deploy::ReleaseSpec;
pub use digest::Digest;
pub use env::Env;
pub use error::{Error, ErrorKind, Result, ResultExt};
pub use images::BuiltImage;
pub use infra::Infra;
pub use mask::Masks;
pub use process::Cmd;
pub use secret::SecretValue;
pub use tasks::{InfraTasks, check, main};
