//! The local provider: every port on plain files under `INFRA_HOME`, good enough to work on for weeks without an account.

mod deploy;
mod events;
mod health;
mod ledger;
mod params;
mod registry;
mod runs;
mod runs_leases;
mod runs_log;
mod secrets;
mod state;

pub use deploy::{LocalDeploy, supervise_if_asked};
pub(crate) use deploy::{check_free, choose_port, probe};
pub use events::LocalEvents;
pub use health::LocalHealth;
pub use ledger::LocalLedger;
pub use params::LocalParameters;
pub use registry::LocalRegistry;
pub use runs::LocalRuns;
pub use secrets::LocalSecrets;
pub use state::{LocalLocks, LocalState};
