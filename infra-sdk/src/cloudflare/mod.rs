//! Cloudflare: Workers, their secrets and their releases.
//!
//! A handful of plain requests over `http`: the `cloudflare` crate has no bulk secrets, leaves paths
//! unescaped, drops the headers that tell how long to wait, and prints its token in `Debug`.

mod account;
mod answers;
mod client;
mod secrets;
mod worker;

pub use client::Cloudflare;
pub use secrets::WorkerSecrets;
pub use worker::{WorkerPlace, WorkerTarget};
