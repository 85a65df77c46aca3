//! Which provider stands behind what: the only folder that names one.

mod ports;
pub(super) mod rego;
mod stores;
pub(super) mod vault;

pub(super) use ports::choose;
pub(super) use stores::open as open_store;
