//! Cloudflare: tokens and what they may do, Workers, their secrets and releases, buckets of R2 and the keys for them.
//!
//! A handful of plain requests over `http`: the `cloudflare` crate has no bulk secrets, leaves paths
//! unescaped, drops the headers that tell how long to wait, and prints its token in `Debug`.

mod account;
mod answers;
mod client;
mod health;
mod health_needs;
mod health_probes;
mod health_workers;
mod limit;
mod permissions;
mod permissions_held;
mod r2;
mod r2_keys;
mod r2_setup;
mod secrets;
mod verify;
mod verify_account;
mod zones;
mod worker;

pub use client::Cloudflare;
pub use health::CloudflareHealth;
pub use health_needs::{BucketNeed, CloudflareNeeds, WorkerNeed};
pub use r2::{R2Bucket, R2Found};
pub use r2_keys::R2Keys;
pub use r2_setup::R2Setup;
pub use secrets::WorkerSecrets;
pub use verify::{Standing, TokenOwner, TokenStatus};
pub use verify_account::Account;
pub use worker::{WorkerPlace, WorkerTarget, WorkerUses};
pub use zones::Zone;
