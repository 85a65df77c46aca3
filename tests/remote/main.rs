//! Stores behind a network, each against its real counterpart on the loopback interface.

mod dotenv_readers;
#[path = "../contract/secrets.rs"]
mod secrets;
