//! Which provider stands behind what: the only folder that names one.

mod clouds;
mod images;
mod parameters;
mod ports;
mod records;
pub(super) mod rego;
mod state;
mod stores;
mod targets;
pub(super) mod vault;

pub(super) use clouds::{Clouds, before_apply};
pub(super) use ports::{Choice, choose};
pub(super) use state::own_locks;
pub(super) use stores::open as open_store;
