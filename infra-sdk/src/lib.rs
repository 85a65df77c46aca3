//! infra-sdk.
pub mod app;
pub mod cancel;
pub mod config;
pub mod digest;
pub mod env;
pub mod error;
pub mod events;
pub mod file;
pub mod id;
pub mod ledger;
pub mod lines;
pub mod local;
pub mod mask;
pub mod names;
pub mod process;
pub mod refs;
pub mod retry;
pub mod secret;
pub mod state;
pub mod terraform;
pub mod time;
pub mod tools;
pub mod tree;

pub use app::{App, Cx, TaskArgs, TaskId, TaskRef};
pub use cancel::CancelToken;
/// The command line library, for flags of tasks without a version of your own.
pub use clap;
pub use digest::Digest;
pub use env::Env;
pub use error::{Error, ErrorKind, Result, ResultExt};
pub use mask::Masks;
pub use process::Cmd;
pub use secret::SecretValue;
