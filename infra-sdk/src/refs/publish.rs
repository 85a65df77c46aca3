//! Publishing a value as a tree of parameters: what would change, then exactly that.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::error::{Error, Result};
use crate::names::ParamPath;
use crate::refs::flatten::{Flattened, flatten};
use crate::refs::lookup::{Contracts, Standing, text};
use crate::refs::remains::Remains;
use crate::refs::serialize::tree;
use crate::refs::{Contract, Over, Parameter, ParameterStore, ParameterWrite, Published};
use crate::tree::{Value, refused};

/// What publishing would change, by paths alone.
#[derive(Clone, Debug, Serialize)]
pub struct PublishPlan {
    /// The published tree.
    pub path: ParamPath,
    /// The region, where the tree is published to several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Parameters that are not there yet.
    pub create: Vec<ParamPath>,
    /// Parameters that say something else.
    pub update: Vec<ParamPath>,
    /// Parameters that are gone from the published value; none outside its tree.
    pub remove: Vec<ParamPath>,
    /// Those of `update` that become another kind, such as a secret: where a store cannot do that, they are made anew.
    pub retyped: Vec<ParamPath>,
    /// How many stay as they are.
    pub unchanged: usize,
    /// The contract to be written, if the shape is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contract: Option<Contract>,
    /// The repo that the contract names, if that is another than the one that publishes: such a plan is applied only
    /// after [`take_over`](PublishPlan::take_over).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub former_owner: Option<String>,
    /// Whether it may be taken over from that repo.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) takes_over: bool,
    #[serde(skip)]
    pub(super) writes: Vec<ParameterWrite>,
    #[serde(skip)]
    pub(super) before: Before,
    /// The versions of what stays as it is, in all.
    #[serde(skip)]
    pub(super) kept: u64,
}

/// The contract that stood there when the plan was made.
#[derive(Clone, Debug, Default)]
pub(super) struct Before {
    pub(super) contract: Option<Contract>,
    /// Its version and its repo, also where the rest of it cannot be read.
    pub(super) version: u64,
    pub(super) repo: Option<String>,
    /// Where its fields stand; `None` where there is no contract.
    fields: Option<BTreeSet<ParamPath>>,
    pub(super) parts: BTreeMap<ParamPath, Over>,
}

/// Plans to make the tree at `path` say exactly what `value` says.
///
/// The shapes are those of [`read`](crate::refs::read): a value that is published and read as the same type is
/// equal. An absent option has no parameter; an empty list or table is an empty list. Beside the tree stands its
/// [`Contract`], whose names are what an earlier version published: only those are removed when the value lacks them.
/// A tree without a contract is made to hold nothing else. Of a contract that cannot be read as a whole, what its readable
/// parts name is taken for published, and its versions go on from the highest they name.
///
/// # Errors
/// `Invalid` with everything in `value` that cannot be kept, before anything is written, and for a contract of a format
/// that this version does not know; what the store fails with otherwise.
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
    if Contract::tree_of(path).is_some() {
        return Err(Error::invalid(format!("`{path}` is where a contract stands"))
            .hint("publish at a path that does not end in `.contract`"));
    }
    let Flattened { writes: wanted, fields } = flatten(path, value).map_err(|problems| {
        refused(format!("what was to be published at `{path}` cannot be kept"), &problems)
            .hint("change these values and publish again; nothing was written")
    })?;
    // One read for everything whose name is known, the contract among it.
    let head = Contract::path(path)?;
    let mut names: Vec<ParamPath> = wanted.iter().map(|write| write.path.clone()).collect();
    names.push(head.clone());
    let present = store.get(&names).await?;
    let heads = BTreeMap::from([(path.clone(), head)]);
    let standing = Contracts::among(store, &heads, &present).await?.take(path);
    let before = standing.map(Before::of).transpose()?.unwrap_or_default();
    let names: BTreeSet<&ParamPath> = wanted.iter().map(|write| &write.path).collect();
    let remove = gone(store, path, before.fields.as_ref(), &names).await?;

    let (mut create, mut update, mut writes, mut kept) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let mut retyped = Vec::new();
    let all = wanted.len();
    for write in wanted {
        let seen = present.get(&write.path);
        match seen {
            Some(parameter) if parameter.value == write.value => {
                kept = parameter.version.saturating_add(kept);
                continue;
            }
            Some(parameter) => {
                update.push(write.path.clone());
                retyped.extend((parameter.value.kind() != write.value.kind()).then(|| write.path.clone()));
            }
            None => create.push(write.path.clone()),
        }
        writes.push(write.over(Over::seen(seen)));
    }
    store.check(&writes).await?;
    let contract = match &before.contract {
        Some(contract) if contract.is_shape(&fields) => None,
        _ => {
            let version = before.version.saturating_add(1);
            Some(Contract { version, repo: None, commit: None, fields })
        }
    };
    Ok(PublishPlan {
        path: path.clone(),
        region: None,
        create,
        update,
        remove,
        retyped,
        unchanged: all - writes.len(),
        contract,
        former_owner: before.repo.clone(),
        takes_over: false,
        writes,
        before,
        kept,
    })
}

/// What an earlier value put there and this one lacks.
async fn gone(
    store: &dyn ParameterStore,
    path: &ParamPath,
    promised: Option<&BTreeSet<ParamPath>>,
    wanted: &BTreeSet<&ParamPath>,
) -> Result<Vec<ParamPath>> {
    if let Some(promised) = promised {
        let gone: Vec<ParamPath> = promised.iter().filter(|field| !wanted.contains(field)).cloned().collect();
        if gone.is_empty() {
            return Ok(gone);
        }
        return Ok(store.present(&gone).await?.into_keys().collect());
    }
    let own: Vec<Parameter> = store.get(std::slice::from_ref(path)).await?.into_values().collect();
    let under = store.under(path).await?;
    // A tree within this one that has a contract of its own belongs to who published that.
    let others: BTreeSet<ParamPath> =
        under.iter().filter_map(|parameter| Contract::tree_of(&parameter.path)).collect();
    let of_others = |at: &ParamPath| others.iter().any(|root| at == root || at.below(root).is_some());
    let ours = |at: &ParamPath| !wanted.contains(at) && Contract::tree_of(at).is_none() && !of_others(at);
    Ok(own.into_iter().chain(under).map(|parameter| parameter.path).filter(ours).collect())
}

impl Before {
    fn of(standing: Standing) -> Result<Self> {
        let Standing { root, contract, parts } = standing;
        let over = parts.iter().map(|(path, part)| (path.clone(), Over::seen(Some(part)))).collect();
        let (remains, contract) = match contract {
            Ok(contract) => {
                let (version, repo) = (contract.version, contract.repo.clone());
                let fields = contract.at(&root, &root)?.into_keys().collect();
                (Remains { version, repo, fields }, Some(contract))
            }
            Err(_) => {
                let mut remains = Remains::of(&root, parts.values().map(text))?;
                // Where it does not say how often it was written, the store does: versions never go back.
                let written = parts.values().map(|part| part.version).max().unwrap_or_default();
                remains.version = remains.version.max(written);
                (remains, None)
            }
        };
        let Remains { version, repo, fields } = remains;
        Ok(Before { contract, version, repo, fields: Some(fields), parts: over })
    }
}
