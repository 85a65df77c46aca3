//! The local provider: every port on plain files, good enough to work on for weeks without an account.

mod registry;
mod secrets;

pub use registry::LocalRegistry;
pub use secrets::LocalSecrets;
