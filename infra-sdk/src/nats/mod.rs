//! NATS: where it is, who asks, and one connection to it for a whole process.

mod auth;
mod claims;
mod connect;
mod context;
mod denials;
mod fault;
mod health;
mod reach;
mod reference;
mod setting;
mod subject;
mod target;
mod target_auth;
mod target_servers;
mod version;

pub use connect::Nats;
pub use health::{HealthSpec, NatsCheck, NatsHealth, health};
pub use setting::{Origin, Setting};
pub use target::Target;
