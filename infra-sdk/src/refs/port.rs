//! The port to wherever parameters are kept.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::Result;
use crate::names::ParamPath;
use crate::refs::{Kind, Parameter, ParameterWrite};

/// Keeps the parameters of one organisation, each a value under a [`ParamPath`].
///
/// # Contract
/// - A parameter is read as it was written: a text, a list (an empty one too) or a secret, with any characters.
/// - `get` gives those that are there and leaves out the rest.
/// - `under` gives all parameters below a path, at any depth, in the order of their paths; the path's own
///   parameter is not among them, nor those of a path that merely begins alike (`/a/b` is not below `/a/bc`).
/// - A path may have a parameter of its own and parameters below it.
/// - `names` gives the paths of all parameters, in order, without their values.
/// - `present` gives those of the paths that have a parameter and of which kind, and needs no permission to read a secret's
///   value.
/// - `put` writes all or, as far as the store can, none: every write is [checked](ParameterWrite::check) before
///   the first is done, and a path given twice is refused. Writes are made in their order, those that change a
///   parameter's kind perhaps all together where the last of them stands. It gives the versions, in the order of the writes. The first version
///   is 1 and each write of the same path raises it, also when its kind changes: except in a store that can change a
///   kind only by making the parameter anew, where versions then start at 1 again.
/// - A write [over](crate::refs::Over) what was seen is refused with `Conflict`, naming the path, when something else
///   stands there. A store that cannot compare and write in one step writes and then compares: its error says that the
///   write was made, over which version, and that those before it were made, too.
/// - `delete` removes those that are there and gives their number; what stands below them stays. A path written
///   anew after that may start at version 1.
#[async_trait]
pub trait ParameterStore: Send + Sync {
    /// The parameters at exactly these paths.
    ///
    /// # Errors
    /// `Unavailable`, `Denied` or `Io`.
    async fn get(&self, paths: &[ParamPath]) -> Result<BTreeMap<ParamPath, Parameter>>;

    /// Which of these paths have a parameter, and its kind.
    ///
    /// # Errors
    /// `Unavailable`, `Denied` or `Io`.
    async fn present(&self, paths: &[ParamPath]) -> Result<BTreeMap<ParamPath, Kind>>;

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

    /// Whether [`put`](ParameterStore::put) would take these, as far as that can be told without writing.
    ///
    /// # Errors
    /// `Invalid` with everything that it would not keep.
    async fn check(&self, writes: &[ParameterWrite]) -> Result<()> {
        ParameterWrite::check_all(writes)
    }

    /// Writes parameters, new ones and over old ones.
    ///
    /// # Errors
    /// `Invalid` when a value cannot be kept or a path is given twice; `Conflict` when somebody else wrote there;
    /// `Unavailable`, `Denied` or `Io`.
    async fn put(&self, writes: &[ParameterWrite]) -> Result<Vec<u64>>;

    /// How long a parameter is missing while it becomes another kind; no time in a store that changes it where it stands.
    fn kind_change(&self) -> Duration {
        Duration::ZERO
    }

    /// Removes parameters.
    ///
    /// # Errors
    /// `Unavailable`, `Denied` or `Io`.
    async fn delete(&self, paths: &[ParamPath]) -> Result<usize>;
}
