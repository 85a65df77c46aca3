//! Files that bring a server into being elsewhere: made from settings, kept in the repo, changed only when told.

mod file_plan;
mod jwt;
mod nats;
mod stamp;
mod template;

pub use file_plan::{ByHand, FilePlan, FileStep, Manifest, Standing, Written};
pub use jwt::{PublicJwt, Subject};
pub use nats::{NatsServerSpec, NatsTarget, nats_server};
