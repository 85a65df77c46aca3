//! NATS: where it is, who asks, one connection to it for a whole process, and what is kept there.

mod auth;
mod connect;
mod context;
mod denials;
mod fault;
mod reference;
mod runs;
mod setting;
mod subject;
mod target;
mod version;

pub use connect::Nats;
pub use runs::NatsRuns;
pub use setting::{Origin, Setting};
pub use target::Target;
