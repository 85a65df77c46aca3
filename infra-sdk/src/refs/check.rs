//! Whether everything a repo reads of others is there.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::names::{Label, ParamPath};
use crate::refs::ParameterStore;
use crate::refs::nearest::nearest;

/// What was found of the references of a repo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The references that lead somewhere.
    pub found: Vec<Found>,
    /// Those that do not.
    pub missing: Vec<Missing>,
}

/// A reference that leads somewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Its name in `[refs]`.
    pub name: Label,
    /// Where it leads.
    pub path: ParamPath,
    /// How many parameters stand at and below it.
    pub parameters: usize,
}

/// A reference that leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Its name in `[refs]`.
    pub name: Label,
    /// Where it should lead.
    pub path: ParamPath,
    /// The path that exists and was probably meant.
    pub nearest: Option<String>,
}

/// Looks for each of the references `[refs]` names.
///
/// # Errors
/// What the store fails with; a missing reference is no error here, see [`Check::into_result`].
pub async fn check(store: &dyn ParameterStore, refs: &BTreeMap<Label, ParamPath>) -> Result<Check> {
    let paths: Vec<ParamPath> = refs.values().cloned().collect();
    let own = store.get(&paths).await?;
    let mut report = Check { found: Vec::new(), missing: Vec::new() };
    for (name, path) in refs {
        let parameters = store.under(path).await?.len() + usize::from(own.contains_key(path));
        let (name, path) = (name.clone(), path.clone());
        if parameters == 0 {
            report.missing.push(Missing { name, path, nearest: None });
        } else {
            report.found.push(Found { name, path, parameters });
        }
    }
    if !report.missing.is_empty() {
        // A store that does not tell its names only costs the hint.
        let known = store.names().await.unwrap_or_default();
        for missing in &mut report.missing {
            missing.nearest = nearest(&missing.path, &known);
        }
    }
    Ok(report)
}

impl Check {
    /// The report if all references lead somewhere.
    ///
    /// # Errors
    /// `NotFound`, naming all that do not, each with the nearest path that exists.
    pub fn into_result(self) -> Result<Self> {
        if self.missing.is_empty() {
            return Ok(self);
        }
        let count = self.missing.len();
        let lines: Vec<String> = self.missing.iter().map(ToString::to_string).collect();
        Err(Error::not_found(format!("{count} of {} references lead nowhere", count + self.found.len()))
            .because(lines.join("\n"))
            .hint("correct `[refs]` in infra.toml, or run `cargo xtask infra:refs:publish` in the repo that exports them"))
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: `{}` is missing", self.name, self.path)?;
        match &self.nearest {
            Some(near) => write!(f, "; the nearest path that exists is `{near}`"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.found.is_empty() && self.missing.is_empty() {
            return f.write_str("this repo reads no references");
        }
        let mut lines: Vec<String> = self
            .found
            .iter()
            .map(|Found { name, path, parameters }| match parameters {
                1 => format!("{name}: `{path}`, 1 parameter"),
                _ => format!("{name}: `{path}`, {parameters} parameters"),
            })
            .collect();
        lines.extend(self.missing.iter().map(ToString::to_string));
        f.write_str(&lines.join("\n"))
    }
}
