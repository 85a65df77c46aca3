//! Publishing a value as a tree of parameters: what would change, then exactly that.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::names::ParamPath;
use crate::refs::flatten::{Flattened, flatten};
use crate::refs::lookup::{Contracts, Standing, text};
use crate::refs::remains::Remains;
use crate::refs::serialize::tree;
use crate::refs::{Contract, Over, Parameter, ParameterStore, ParameterValue, ParameterWrite, Publisher};
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
    takes_over: bool,
    #[serde(skip)]
    writes: Vec<ParameterWrite>,
    #[serde(skip)]
    before: Before,
    /// The versions of what stays as it is, in all.
    #[serde(skip)]
    kept: u64,
}

/// The contract that stood there when the plan was made.
#[derive(Clone, Debug, Default)]
struct Before {
    contract: Option<Contract>,
    /// Its version and its repo, also where the rest of it cannot be read.
    version: u64,
    repo: Option<String>,
    /// Where its fields stand; `None` where there is no contract.
    fields: Option<BTreeSet<ParamPath>>,
    parts: BTreeMap<ParamPath, Over>,
}

/// What publishing changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Published {
    /// The region, where the tree is published to several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The parameters written, each with its new version.
    pub written: BTreeMap<ParamPath, u64>,
    /// The parameters removed.
    pub removed: Vec<ParamPath>,
    /// The version of the contract, if that was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contract: Option<u64>,
    /// The repo that the contract named before, if it was taken over from another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub former_owner: Option<String>,
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
    let all = wanted.len();
    for write in wanted {
        let seen = present.get(&write.path);
        match seen {
            Some(parameter) if parameter.value == write.value => {
                kept = parameter.version.saturating_add(kept);
                continue;
            }
            Some(_) => update.push(write.path.clone()),
            None => create.push(write.path.clone()),
        }
        writes.push(write.over(Over::seen(seen)));
    }
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
        return Ok(store.present(&gone).await?.into_iter().collect());
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
            Err(_) => (Remains::of(&root, parts.values().map(text))?, None),
        };
        let Remains { version, repo, fields } = remains;
        Ok(Before { contract, version, repo, fields: Some(fields), parts: over })
    }
}

impl PublishPlan {
    /// Names who publishes, for the contract. One that names no repo, or is taken over from another, is written anew, in the
    /// same version.
    #[must_use]
    pub fn by(mut self, publisher: &Publisher) -> Self {
        self.former_owner = self.before.repo.clone().filter(|repo| repo != publisher.repo());
        let planned = self.contract.take();
        let moved = self.before.contract.clone().filter(|contract| contract.is_of_another(Some(publisher)));
        self.contract = planned.or(moved).map(|contract| contract.by(Some(publisher)));
        self
    }

    /// Lets the plan be applied also where the contract names another repo: from then on the tree is this repo's, and what
    /// the other one published there and this one does not is removed.
    #[must_use]
    pub fn take_over(self) -> Self {
        PublishPlan { takes_over: true, ..self }
    }

    /// Whether the tree may be written to: it is nobody's, the publisher's own, or is taken over.
    ///
    /// # Errors
    /// `Conflict` naming the repo whose tree it is.
    pub(crate) fn check_owner(&self) -> Result<()> {
        let Some(owner) = self.former_owner.as_ref().filter(|_| !self.takes_over && !self.is_empty()) else {
            return Ok(());
        };
        let place = place(&self.path, self.region.as_deref());
        Err(Error::new(ErrorKind::Conflict, format!("`{place}` is published by {owner}"))
            .hint("publish at a path of your own, or name yourself as that repo with `PublishPlan::by`")
            .hint(
                "if that repo has given it up, publish with `--take-over`, or call `take_over` on the plan",
            ))
    }

    /// What stands there when this was published, by versions alone: the same again as long as nobody wrote since.
    pub(crate) fn state(&self, published: &Published) -> String {
        let versions =
            published.written.values().fold(self.kept, |sum, version| sum.saturating_add(*version));
        format!("contract {}, versions {versions}", published.contract.unwrap_or(self.before.version))
    }

    /// Names the region this is for.
    #[must_use]
    pub(crate) fn in_region(self, region: Option<&str>) -> Self {
        PublishPlan { region: region.map(str::to_owned), ..self }
    }

    /// Whether applying changes nothing.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.remove.is_empty() && self.contract.is_none()
    }

    /// Writes what the plan says: what changed, then the contract, and then it removes what is gone. So whoever reads by
    /// the contract finds everything that it names, at any moment.
    ///
    /// What is removed is not compared with what the plan saw. A store that can change a parameter's kind only by making it
    /// anew may take half a minute for that, during which the parameter is missing.
    ///
    /// # Errors
    /// `Conflict` when the contract names another repo, and nothing was written then; `Conflict` when somebody else wrote there since the plan was made, see [`ParameterStore`] for what is written
    /// then; what the store fails with otherwise.
    pub async fn apply(self, store: &dyn ParameterStore) -> Result<Published> {
        self.check_owner()?;
        let PublishPlan { path, region, mut remove, contract, former_owner, mut writes, before, .. } = self;
        let (removed, values) = (remove.clone(), writes.len());
        if let Some(contract) = &contract {
            let parts = contract.parameters(&path)?;
            let names: BTreeSet<&ParamPath> = parts.iter().map(|(at, _)| at).collect();
            remove.extend(before.parts.keys().filter(|part| !names.contains(part)).cloned());
            writes.extend(parts.into_iter().map(|(at, text)| {
                // A part of a longer contract of long ago may still stand where none was looked for.
                let unseen = if at.as_str().ends_with(".contract") { Over::Nothing } else { Over::Anything };
                let over = before.parts.get(&at).copied().unwrap_or(unseen);
                ParameterWrite::new(at, ParameterValue::Plain(text)).over(over)
            }));
        }
        let versions = if writes.is_empty() { Vec::new() } else { store.put(&writes).await? };
        let written = writes.into_iter().take(values).map(|write| write.path).zip(versions).collect();
        if !remove.is_empty() {
            store.delete(&remove).await?;
        }
        let former_owner = former_owner.filter(|_| contract.is_some());
        let contract = contract.map(|contract| contract.version);
        Ok(Published { region, written, removed, contract, former_owner })
    }
}

/// The path of a tree, with the region where there are several.
fn place(path: &ParamPath, region: Option<&str>) -> String {
    region.map_or_else(|| path.to_string(), |region| format!("{path} in {region}"))
}

impl fmt::Display for PublishPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [create, update, remove] = [&self.create, &self.update, &self.remove].map(Vec::len);
        let (unchanged, place) = (self.unchanged, place(&self.path, self.region.as_deref()));
        write!(
            f,
            "{place}: {create} to create, {update} to update, {remove} to remove, {unchanged} unchanged"
        )?;
        for (sign, paths) in [("+", &self.create), ("~", &self.update), ("-", &self.remove)] {
            for path in paths {
                write!(f, "\n  {sign} {path}")?;
            }
        }
        if let Some(contract) = &self.contract {
            write!(f, "\n  the contract becomes {contract}")?;
        }
        match (&self.former_owner, self.takes_over) {
            (Some(_), _) if self.is_empty() => Ok(()),
            (Some(owner), true) => write!(f, "\n  it is taken over from {owner}"),
            (Some(owner), false) => write!(f, "\n  it is published by {owner}: this is refused"),
            (None, _) => Ok(()),
        }
    }
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let region = self.region.as_ref().map(|region| format!(" in {region}")).unwrap_or_default();
        if self.written.is_empty() && self.removed.is_empty() && self.contract.is_none() {
            return write!(f, "nothing to publish{region}: all is as it should be");
        }
        write!(f, "{} written, {} removed{region}", self.written.len(), self.removed.len())?;
        for (path, version) in &self.written {
            write!(f, "\n  {path} (version {version})")?;
        }
        for path in &self.removed {
            write!(f, "\n  {path} (removed)")?;
        }
        if let Some(version) = self.contract {
            write!(f, "\n  the contract, version {version}")?;
        }
        match &self.former_owner {
            Some(owner) => write!(f, "\n  taken over from {owner}"),
            None => Ok(()),
        }
    }
}
