//! Which provider stands behind what: the only folder that names one.

#[cfg(feature = "aws-base")]
mod clouds;
mod cloudflare;
mod guard;
mod health;
mod images;
#[cfg(feature = "nats")]
mod nats;
mod nkeys;
mod parameters;
mod ports;
mod records;
pub(super) mod rego;
mod runs;
mod state;
mod stores;
mod targets;
pub(super) mod vault;

pub(super) use cloudflare::{has_r2_keys, health as cloudflare_health};
pub(super) use guard::before_apply;
pub(super) use images::{
    copies as image_copies, repositories as image_repositories, scanner as image_scanner,
};
pub(super) use nkeys::is_signed;
pub(super) use ports::Providers;
pub(super) use state::own_locks;
pub(super) use stores::{open as open_store, places};
pub(super) use targets::{code as worker_code, reads_parameters};
