//! NATS: where it is, who asks, one connection to it for a whole process, and what is kept there.

mod api;
mod assets;
mod assets_permissions;
mod assets_plan;
mod auth;
mod bus;
mod bus_read;
mod connect;
mod context;
mod denials;
mod fault;
mod ledger;
mod pages;
mod reference;
mod runs;
mod setting;
mod subject;
mod target;
mod version;

pub use assets_plan::NatsAssets;
pub use bus::NatsBus;
pub use connect::Nats;
pub use ledger::NatsLedger;
pub use runs::NatsRuns;
pub use setting::{Origin, Setting};
pub use target::Target;
