//! Whether everything a repo reads of others is there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::names::{Label, ParamPath};
use crate::refs::lookup::{Promised, below, promised};
use crate::refs::mismatch::refused;
use crate::refs::nearest::nearest;
use crate::refs::{ContractCheck, FieldType, Kind, Mismatch, MismatchKind, Parameter, ParameterStore};

/// What was found of the references of a repo.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The references that lead somewhere.
    pub found: Vec<Found>,
    /// Those that do not.
    pub missing: Vec<Missing>,
    /// How the types that this repo reads them as fit; see [`Expectation`](crate::refs::Expectation).
    pub contracts: Vec<ContractCheck>,
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

/// Looks for each of the references `[refs]` names. Where a contract names what should stand there, only that is looked
/// for; a parameter that is promised and not there is missing, too, and one that holds something else than was promised,
/// as somebody changed it by hand, is told. No secret is read.
///
/// # Errors
/// What the store fails with; a missing reference is no error here, see [`Check::into_result`].
pub async fn check(store: &dyn ParameterStore, refs: &BTreeMap<Label, ParamPath>) -> Result<Check> {
    let own = store.present(&refs.values().cloned().collect::<Vec<_>>()).await?;
    // What is a single value is no tree with a contract.
    let promised = promised(store, refs.values().filter(|path| !own.contains_key(path))).await?;
    let (secret, plain): (Vec<_>, Vec<_>) = promised
        .values()
        .flat_map(|promised| &promised.fields)
        .partition(|(_, kind)| **kind == FieldType::Secret);
    let paths = |fields: Vec<(&ParamPath, &FieldType)>| -> Vec<ParamPath> {
        fields.into_iter().map(|(path, _)| path.clone()).collect()
    };
    let values = store.get(&paths(plain)).await?;
    let secrets = store.present(&paths(secret)).await?;
    let there: BTreeSet<&ParamPath> = secrets.keys().chain(values.keys()).collect();
    let mut report = Check::default();
    for (name, path) in refs {
        let (name, path) = (name.clone(), path.clone());
        let parameters = match promised.get(&path) {
            Some(Promised { contract, fields }) => {
                let mut unfit = ContractCheck::new(&path, Some(contract));
                unfit.mismatches = changed(fields, &values, &secrets);
                if !unfit.fits() {
                    report.contracts.push(unfit);
                }
                let gone = fields.keys().filter(|field| !there.contains(*field)).cloned();
                let gone: Vec<ParamPath> = gone.collect();
                let found = fields.len() - gone.len();
                if found > 0 {
                    let missing = |path| Missing { name: name.clone(), path, nearest: None };
                    report.missing.extend(gone.into_iter().map(missing));
                }
                found
            }
            None if own.contains_key(&path) => 1,
            None => below(store, &path).await?.len(),
        };
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

/// What holds something else than was promised.
fn changed(
    fields: &BTreeMap<ParamPath, FieldType>,
    values: &BTreeMap<ParamPath, Parameter>,
    secrets: &BTreeMap<ParamPath, Kind>,
) -> Vec<Mismatch> {
    let told = |path: &ParamPath, kind: &FieldType, found: &str| Mismatch {
        path: path.to_string(),
        kind: MismatchKind::Changed { promised: kind.to_string(), found: found.to_owned() },
    };
    // Everybody who may read the tree may read it.
    let bare = fields.iter().filter(|(path, kind)| {
        **kind == FieldType::Secret && secrets.get(*path).is_some_and(|found| *found != Kind::Secret)
    });
    let bare = bare.map(|(path, kind)| told(path, kind, "a value that is not secret"));
    let held = fields.iter().filter_map(|(path, kind)| Some((path, kind, &values.get(path)?.value)));
    held.filter(|(_, kind, value)| !kind.holds(value))
        .map(|(path, kind, value)| told(path, kind, FieldType::seen(value)))
        .chain(bare)
        .collect()
}

impl Check {
    /// The report if all references lead somewhere, and all types fit.
    ///
    /// # Errors
    /// `NotFound`, naming all that do not, each with the nearest path that exists; `Invalid`, naming every field that does
    /// not fit.
    pub fn into_result(self) -> Result<Self> {
        let unfit: Vec<&ContractCheck> = self.contracts.iter().filter(|check| !check.fits()).collect();
        if self.missing.is_empty() {
            return if unfit.is_empty() { Ok(self) } else { Err(refused(&unfit)) };
        }
        let mut lines: Vec<String> = self.missing.iter().map(ToString::to_string).collect();
        lines.extend(unfit.iter().map(ToString::to_string));
        let broken: BTreeSet<&Label> = self.missing.iter().map(|missing| &missing.name).collect();
        let all: BTreeSet<&Label> =
            self.found.iter().map(|found| &found.name).chain(broken.iter().copied()).collect();
        Err(Error::not_found(format!("{} of {} references lead nowhere", broken.len(), all.len()))
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
        lines.extend(self.contracts.iter().map(ToString::to_string));
        f.write_str(&lines.join("\n"))
    }
}
