//! A strict registry of images in this process, which fails the test on every request that the protocol does not know, and
//! misbehaves exactly as it is told.

mod rules;
mod server;
mod state;
mod upload;
mod wire;

pub use rules::{Guard, Rules, Website};
pub use server::{Asked, Registry};
