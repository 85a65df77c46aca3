//! The local provider: every port on plain files under `INFRA_HOME`, good enough to work on for weeks without an account.

mod deploy;
mod events;
mod ledger;
mod params;
mod registry;
mod secrets;
mod state;

pub use deploy::{LocalDeploy, supervise_if_asked};
pub(crate) use deploy::{check_free, choose_port, probe};
pub use events::LocalEvents;
pub use ledger::LocalLedger;
pub use params::LocalParameters;
pub use registry::LocalRegistry;
pub use secrets::LocalSecrets;
pub use state::{LocalLocks, LocalState};
