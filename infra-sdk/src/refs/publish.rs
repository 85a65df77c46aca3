//! Publishing a value as a tree of parameters: what would change, then exactly that.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::names::ParamPath;
use crate::refs::flatten::flatten;
use crate::refs::serialize::tree;
use crate::refs::{Parameter, ParameterStore, ParameterWrite};
use crate::tree::{Value, refused};

/// What publishing would change, by paths alone.
#[derive(Clone, Debug, Serialize)]
pub struct PublishPlan {
    /// The published tree.
    pub path: ParamPath,
    /// Parameters that are not there yet.
    pub create: Vec<ParamPath>,
    /// Parameters that say something else.
    pub update: Vec<ParamPath>,
    /// Parameters that are gone from the published value; none outside its tree.
    pub remove: Vec<ParamPath>,
    /// How many stay as they are.
    pub unchanged: usize,
    #[serde(skip)]
    writes: Vec<ParameterWrite>,
    /// What stood there when the plan was made.
    #[serde(skip)]
    seen: BTreeMap<ParamPath, u64>,
}

/// What publishing changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Published {
    /// The parameters written, each with its new version.
    pub written: BTreeMap<ParamPath, u64>,
    /// The parameters removed.
    pub removed: Vec<ParamPath>,
}

/// Plans to make the tree at `path` say exactly what `value` says.
///
/// The shapes are those of [`read`](crate::refs::read): a value that is published and read as the same type is
/// equal. An absent option has no parameter; an empty list or table is an empty list.
///
/// # Errors
/// `Invalid` with everything in `value` that cannot be kept, before anything is written; what the store fails
/// with otherwise.
pub async fn publish_plan<T: Serialize + ?Sized>(
    store: &dyn ParameterStore,
    path: &ParamPath,
    value: &T,
) -> Result<PublishPlan> {
    let Some(value) = tree(value)? else {
        return Err(Error::invalid(format!("there is nothing to publish at `{path}`: the value is absent"))
            .hint("publish a value, or remove its `[exports]` entry"));
    };
    plan(store, path, value).await
}

/// Plans and applies in one step, for callers that show nothing in between.
///
/// ```
/// # use infra_sdk::{Result, SecretValue, refs::{self, ParameterStore}};
/// #[derive(serde::Serialize)]
/// struct Network {
///     vpc_id: String,
///     log_key: SecretValue,
/// }
///
/// # async fn example(store: &dyn ParameterStore, network: Network) -> Result<()> {
/// let published = refs::publish(store, &"/infrastructure/network".parse()?, &network).await?;
/// println!("{published}");
/// # Ok(()) }
/// ```
///
/// # Errors
/// As [`publish_plan`] and [`PublishPlan::apply`].
pub async fn publish<T: Serialize + ?Sized>(
    store: &dyn ParameterStore,
    path: &ParamPath,
    value: &T,
) -> Result<Published> {
    publish_plan(store, path, value).await?.apply(store).await
}

pub(crate) async fn plan(store: &dyn ParameterStore, path: &ParamPath, value: Value) -> Result<PublishPlan> {
    let wanted = flatten(path, value).map_err(|problems| {
        refused(format!("what was to be published at `{path}` cannot be kept"), &problems)
            .hint("change these values and publish again; nothing was written")
    })?;
    let present = present(store, path).await?;
    let mut plan = PublishPlan {
        path: path.clone(),
        create: Vec::new(),
        update: Vec::new(),
        remove: Vec::new(),
        unchanged: 0,
        writes: Vec::new(),
        seen: present.iter().map(|(path, parameter)| (path.clone(), parameter.version)).collect(),
    };
    plan.remove
        .extend(present.keys().filter(|path| !wanted.iter().any(|write| write.path == **path)).cloned());
    for write in wanted {
        match present.get(&write.path) {
            Some(parameter) if parameter.value == write.value => {
                plan.unchanged += 1;
                continue;
            }
            Some(_) => plan.update.push(write.path.clone()),
            None => plan.create.push(write.path.clone()),
        }
        plan.writes.push(write);
    }
    Ok(plan)
}

/// What stands at and below a path.
async fn present(store: &dyn ParameterStore, path: &ParamPath) -> Result<BTreeMap<ParamPath, Parameter>> {
    let mut present = store.get(std::slice::from_ref(path)).await?;
    present.extend(store.under(path).await?.into_iter().map(|parameter| (parameter.path.clone(), parameter)));
    Ok(present)
}

impl PublishPlan {
    /// Whether applying changes nothing.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.remove.is_empty()
    }

    /// Writes what the plan says: what changed first, then it removes what is gone.
    ///
    /// # Errors
    /// `Conflict` when somebody else wrote there since the plan was made; what the store fails with otherwise.
    pub async fn apply(self, store: &dyn ParameterStore) -> Result<Published> {
        if self.is_empty() {
            return Ok(Published::default());
        }
        let now = present(store, &self.path).await?;
        let changed = now.len() != self.seen.len()
            || now.iter().any(|(path, parameter)| self.seen.get(path) != Some(&parameter.version));
        if changed {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("the parameters under `{}` changed since the plan was made", self.path),
            )
            .hint("run the same command again to plan anew"));
        }
        let versions = store.put(&self.writes).await?;
        let written = self.writes.into_iter().map(|write| write.path).zip(versions).collect();
        if !self.remove.is_empty() {
            store.delete(&self.remove).await?;
        }
        Ok(Published { written, removed: self.remove })
    }
}

impl fmt::Display for PublishPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [create, update, remove] = [&self.create, &self.update, &self.remove].map(Vec::len);
        let unchanged = self.unchanged;
        write!(
            f,
            "{}: {create} to create, {update} to update, {remove} to remove, {unchanged} unchanged",
            self.path
        )?;
        for (sign, paths) in [("+", &self.create), ("~", &self.update), ("-", &self.remove)] {
            for path in paths {
                write!(f, "\n  {sign} {path}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.written.is_empty() && self.removed.is_empty() {
            return f.write_str("nothing to publish: all is as it should be");
        }
        write!(f, "{} written, {} removed", self.written.len(), self.removed.len())?;
        for (path, version) in &self.written {
            write!(f, "\n  {path} (version {version})")?;
        }
        for path in &self.removed {
            write!(f, "\n  {path} (removed)")?;
        }
        Ok(())
    }
}
