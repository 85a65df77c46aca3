//! From a plan to publish to what was published: whose tree it is, and the writes in their order.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::names::ParamPath;
use crate::refs::{Over, ParameterStore, ParameterValue, ParameterWrite, PublishPlan, Publisher};

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
                if self.retyped.contains(path) {
                    f.write_str(" (becomes another kind)")?;
                }
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
