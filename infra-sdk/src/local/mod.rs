//! The local provider: every port on plain files under `INFRA_HOME`, without an account or a server.

mod events;
mod ledger;
mod params;
mod state;

pub use events::LocalEvents;
pub use ledger::LocalLedger;
pub use params::LocalParameters;
pub use state::{LocalLocks, LocalState};
