//! What a repo reads of others and lets others read, and what stands there now.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::error::Result;
use crate::names::{Label, ParamPath};
use crate::refs::lookup::{Contracts, below};
use crate::refs::{FieldType, Parameter, ParameterStore, ParameterValue};
use crate::secret::SecretValue;

/// Everything at the references and exports of a repo.
#[derive(Clone, Debug, Serialize)]
pub struct Listing {
    /// What it reads, by the names of `[refs]`.
    pub reads: Vec<Listed>,
    /// What it exports.
    pub exports: Vec<Listed>,
}

/// What stands at and below one path. Secrets are hidden in every form it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// The name in `[refs]`; an export has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Label>,
    /// The path.
    pub path: ParamPath,
    /// The contract of the tree, as people read it: version, repo, commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
    /// The parameters, in the order of their paths.
    pub parameters: Vec<Parameter>,
}

/// Looks up what stands at the paths of `[refs]` and `[exports]`.
///
/// # Errors
/// What the store fails with; a path where nothing stands is listed as such.
pub async fn list<'a>(
    store: &dyn ParameterStore,
    refs: &BTreeMap<Label, ParamPath>,
    exports: impl IntoIterator<Item = &'a ParamPath>,
) -> Result<Listing> {
    let mut listing = Listing { reads: Vec::new(), exports: Vec::new() };
    for (name, path) in refs {
        listing.reads.push(look(store, Some(name.clone()), path).await?);
    }
    for path in exports.into_iter().cloned().collect::<Vec<_>>() {
        listing.exports.push(look(store, None, &path).await?);
    }
    Ok(listing)
}

async fn look(store: &dyn ParameterStore, name: Option<Label>, path: &ParamPath) -> Result<Listed> {
    let mut parameters: Vec<Parameter> = store.get(std::slice::from_ref(path)).await?.into_values().collect();
    parameters.extend(below(store, path).await?);
    let contracts = Contracts::around(store, [path]).await?;
    let promised = contracts.of(path)?;
    for parameter in &mut parameters {
        let secret = promised
            .as_ref()
            .is_some_and(|(_, fields)| fields.get(&parameter.path) == Some(&FieldType::Secret));
        // Somebody wrote it over as what everybody may read; it is not shown for that.
        if let (true, ParameterValue::Plain(text)) = (secret, &parameter.value) {
            parameter.value = ParameterValue::Secret(SecretValue::new(text.clone()));
        }
    }
    let contract = promised.map(|(contract, _)| contract.to_string());
    Ok(Listed { name, path: path.clone(), contract, parameters })
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        for (title, listed) in [("reads", &self.reads), ("exports", &self.exports)] {
            if listed.is_empty() {
                lines.push(format!("{title} nothing"));
            }
            lines.extend(listed.iter().flat_map(|listed| listed.lines(title)));
        }
        f.write_str(&lines.join("\n"))
    }
}

impl Listed {
    fn lines(&self, title: &str) -> Vec<String> {
        let name = self.name.as_ref().map(|name| format!(" as {name}")).unwrap_or_default();
        let contract = self.contract.as_ref().map(|contract| format!(", {contract}")).unwrap_or_default();
        let mut lines = vec![format!("{title} {}{name}{contract}", self.path)];
        if self.parameters.is_empty() {
            lines.push("  nothing is published there".into());
        }
        let below = |parameter: &Parameter| parameter.path.below(&self.path).unwrap_or(".").to_owned();
        let width = self.parameters.iter().map(|parameter| below(parameter).len()).max().unwrap_or(0);
        lines.extend(self.parameters.iter().map(|parameter| {
            format!("  {:<width$}  {}  (version {})", below(parameter), parameter.value, parameter.version)
        }));
        lines
    }
}
