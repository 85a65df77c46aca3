//! NATS: where it is, who asks, and one connection to it for a whole process.

mod auth;
mod connect;
mod context;
mod denials;
mod fault;
mod reference;
mod setting;
mod subject;
mod target;
mod version;

pub use connect::Nats;
pub use setting::{Origin, Setting};
pub use target::Target;
