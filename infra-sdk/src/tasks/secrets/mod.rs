//! `infra:secrets:*`: from `.env` to every store, what is where, and new values in time.

mod backup;
mod files;
mod handles;
mod hand_over;
mod rotate;
mod scan;
mod setup;
mod sync;

pub use handles::SecretsTasks;
pub(super) use handles::register;
