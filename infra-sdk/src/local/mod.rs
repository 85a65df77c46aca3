//! The local provider: every port on plain files and processes of this machine, good enough to work on for weeks without an account.

mod deploy;
mod registry;
mod secrets;

pub use deploy::{LocalDeploy, supervise_if_asked};
pub use registry::LocalRegistry;
pub use secrets::LocalSecrets;
