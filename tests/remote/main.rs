//! Stores behind a network, each against its real counterpart on the loopback interface.

mod github;
#[path = "../contract/secrets.rs"]
mod secrets;

mod backup;
mod vault;
mod vault_git;
mod vault_interop;
mod journey;

mod aws;
mod aws_refusals;
mod cloudflare;
