//! infra-sdk.
pub mod cancel;
pub mod config;
pub mod deploy;
pub mod digest;
pub mod env;
pub mod error;
pub mod file;
pub mod id;
pub mod images;
pub mod local;
pub mod mask;
pub mod names;
pub mod process;
pub mod retry;
pub mod secret;
pub mod secrets;
pub mod time;

pub use cancel::CancelToken;
pub use digest::Digest;
pub use env::Env;
pub use error::{Error, ErrorKind, Result, ResultExt};
pub use mask::Masks;
pub use process::Cmd;
pub use secret::SecretValue;
