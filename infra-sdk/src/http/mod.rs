//! Talking to services over HTTP: one client for those that speak JSON, one request at a time, one way to fail.

pub(crate) mod answer;
mod api;
pub(crate) mod base;
mod call;
pub(crate) mod path;
mod refused;
#[cfg(test)]
mod tests;
pub(crate) mod tls;

pub(crate) use answer::Answer;
pub(crate) use api::{Api, Auth};
pub(crate) use call::{Call, Method};
pub(crate) use path::Path;
