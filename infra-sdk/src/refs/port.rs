//! The port to wherever parameters are kept.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::error::Result;
use crate::names::ParamPath;
use crate::refs::{Parameter, ParameterWrite};

/// Keeps the parameters of one organisation, each a value under a [`ParamPath`].
///
/// # Contract
/// - A parameter is read as it was written: a text, a list (an empty one too) or a secret, with any characters.
/// - `get` gives those that are there and leaves out the rest.
/// - `under` gives all parameters below a path, at any depth, in the order of their paths; the path's own
///   parameter is not among them, nor those of a path that merely begins alike (`/a/b` is not below `/a/bc`).
/// - A path may have a parameter of its own and parameters below it.
/// - `names` gives the paths of all parameters, in order, without their values.
/// - `put` writes all or, as far as the store can, none: every write is [checked](ParameterWrite::check) before
///   the first is done, and a path given twice is refused. It gives the versions, in the order of the writes.
///   The first version is 1 and each write of the same path raises it, also when the value or its kind changes.
/// - `delete` removes those that are there and gives their number; what stands below them stays. A path written
///   anew after that may start at version 1.
#[async_trait]
pub trait ParameterStore: Send + Sync {
    /// The parameters at exactly these paths.
    ///
    /// # Errors
    /// `Unavailable`, `Denied` or `Io`.
    async fn get(&self, paths: &[ParamPath]) -> Result<BTreeMap<ParamPath, Parameter>>;

    /// The parameters below a path.
    ///
    /// # Errors
    /// `Unavailable`, `Denied` or `Io`.
    async fn under(&self, path: &ParamPath) -> Result<Vec<Parameter>>;

    /// The paths of all parameters; slow in large stores, and only asked to tell what was meant.
    ///
    /// # Errors
    /// `Unavailable`, `Denied` or `Io`.
    async fn names(&self) -> Result<Vec<ParamPath>>;

    /// Writes parameters, new ones and over old ones.
    ///
    /// # Errors
    /// `Invalid` when a value cannot be kept or a path is given twice; `Unavailable`, `Denied` or `Io`.
    async fn put(&self, writes: &[ParameterWrite]) -> Result<Vec<u64>>;

    /// Removes parameters.
    ///
    /// # Errors
    /// `Unavailable`, `Denied` or `Io`.
    async fn delete(&self, paths: &[ParamPath]) -> Result<usize>;
}
