//! Stores behind a network, each against its real counterpart on the loopback interface.

#[path = "../contract/deploy.rs"]
mod deploy;
mod dotenv_readers;
#[path = "../contract/secrets.rs"]
mod secrets;

mod aws;
mod aws_ecs;
mod aws_ecs_failures;
mod aws_ecs_moto;
mod aws_ecs_tasks;
mod aws_identity;
mod aws_refusals;
mod backup;
mod cloudflare;
mod github;
mod journey;
mod plans;
mod shared;
mod stopped;
mod vault;
mod vault_git;
mod vault_interop;
