//! Stores behind a network, each against its real counterpart on the loopback interface.

#[path = "../contract/contracts.rs"]
mod contracts;
mod dotenv_readers;
#[path = "../contract/refs.rs"]
mod refs;
#[path = "../contract/secrets.rs"]
mod secrets;
#[path = "../contract/types.rs"]
mod types;

mod aws;
mod aws_refs;
mod aws_refs_refusals;
mod aws_refs_tasks;
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
