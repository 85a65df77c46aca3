//! Stores behind a network, each against its real counterpart on the loopback interface.

mod dotenv_readers;
#[path = "../contract/images.rs"]
mod images;
#[path = "../contract/secrets.rs"]
mod secrets;

mod aws;
mod aws_ecr;
mod aws_ecr_refusals;
mod aws_refusals;
mod backup;
mod cloudflare;
#[cfg(unix)]
mod dockerfiles;
mod github;
mod image_shop;
mod image_tasks;
mod journey;
mod plans;
mod registry;
mod registry_auth;
mod registry_faults;
mod registry_images;
mod shared;
mod stopped;
mod vault;
mod vault_git;
mod vault_interop;
