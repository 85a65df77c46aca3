//! What is where, how old it is, and what is next, by name.

mod due;
mod report;
mod target;

pub use due::Due;
pub use report::{SecretStatus, SecretsStatus, TargetStatus, status};
pub use target::{Known, KnownState, TargetState};
