//! Every port's contract, held against every implementation of it.

mod contracts;
mod deploy;
mod deploy_process;
mod events;
mod images;
mod ledger;
mod local;
mod refs;
mod runs;
mod runs_leases;
mod secrets;
mod state;
mod types;
