//! Stores behind a network, each against its real counterpart on the loopback interface.

#[path = "../contract/secrets.rs"]
mod secrets;
mod journey;

mod aws;
mod aws_refusals;
mod cloudflare;
