//! Talking to JSON services over HTTP: one client, one request at a time, one way to fail.

mod answer;
mod api;
mod base;
mod call;
mod path;
mod refused;
#[cfg(test)]
mod tests;

pub(crate) use answer::Answer;
pub(crate) use api::{Api, Auth};
pub(crate) use call::{Call, Method};
pub(crate) use path::Path;
