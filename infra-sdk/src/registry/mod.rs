//! Images in any registry that speaks [OCI's distribution protocol](https://github.com/opencontainers/distribution-spec/blob/main/spec.md).
//!
//! ```no_run
//! # async fn example(env: &infra_sdk::Env, image: &infra_sdk::BuiltImage) -> infra_sdk::Result<()> {
//! use std::sync::Arc;
//! use infra_sdk::images;
//! use infra_sdk::registry::{DockerConfig, OciRegistry};
//! let registry = OciRegistry::new("ghcr.io/acme", Arc::new(DockerConfig::find(env, "ghcr.io")))?;
//! let report = images::push(&registry, image, &["1.4.0".parse()?]).await?;
//! println!("{report}");
//! # Ok(())
//! # }
//! ```

mod again;
mod ask;
mod auth;
mod body;
mod client;
mod credentials;
mod docker;
mod docker_helper;
mod pieces;
mod place;
mod port;
mod proof;
mod refused;
mod token;
mod upload;

pub use client::OciRegistry;
pub use credentials::{Anonymous, Credentials, Login};
pub use docker::DockerConfig;
