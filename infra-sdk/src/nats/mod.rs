//! NATS: where it is, who asks, one connection to it for a whole process, and what is kept there.

mod api;
mod assets;
mod assets_account;
mod assets_obstacles;
mod assets_permissions;
mod assets_plan;
mod auth;
mod bus;
mod bus_read;
mod claims;
mod clustered;
mod connect;
mod context;
mod denials;
mod fault;
mod health;
mod ledger;
mod pages;
mod reach;
mod reference;
mod runs;
mod setting;
mod subject;
mod target;
mod target_auth;
mod target_servers;
mod version;

pub use assets_plan::NatsAssets;
pub use auth::is_signed_by;
pub use bus::NatsBus;
pub use connect::Nats;
pub use health::{HealthSpec, NatsCheck, NatsHealth, health};
pub use ledger::NatsLedger;
pub use runs::NatsRuns;
pub use setting::{Origin, Setting};
pub use target::Target;
