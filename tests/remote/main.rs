//! Stores behind a network, each against its real counterpart on the loopback interface.

mod github;
#[path = "../contract/secrets.rs"]
mod secrets;
