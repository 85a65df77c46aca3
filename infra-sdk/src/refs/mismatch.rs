//! What was found when a consumer's type was compared with a contract.

use std::fmt;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::names::ParamPath;
use crate::refs::Contract;

/// How a type fits what is promised at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ContractCheck {
    /// The path.
    pub path: ParamPath,
    /// The version of the contract it was compared with; `None` where there is none, and the values themselves were read.
    pub version: Option<u64>,
    /// Who promises it: version, repo and commit, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promised: Option<String>,
    /// What does not fit, in the order of the paths.
    pub mismatches: Vec<Mismatch>,
    /// What is promised and not read by any field. No problem: an exporter may add some.
    pub unread: Vec<String>,
}

/// One field that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// The parameter's path.
    pub path: String,
    /// What is wrong.
    #[serde(flatten)]
    pub kind: MismatchKind,
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "problem", rename_all = "lowercase")]
pub enum MismatchKind {
    /// It is read, and nobody promises it.
    Missing,
    /// It is read, and what it would read is promised under another name.
    Renamed {
        /// The path of the parameter or tree that was probably meant.
        to: String,
    },
    /// It is promised as another type than it is read as.
    Retyped {
        /// The type that is read, for people.
        wanted: String,
        /// The type that is promised, for people.
        promised: String,
    },
    /// Something else stands there than was promised: somebody wrote over it.
    Changed {
        /// The type that is promised, for people.
        promised: String,
        /// What stands there, for people and without the value.
        found: String,
    },
    /// It has the right type and is still not accepted.
    Refused {
        /// Why, in the words of the type.
        why: String,
    },
}

impl ContractCheck {
    pub(crate) fn new(path: &ParamPath, contract: Option<&Contract>) -> Self {
        ContractCheck {
            path: path.clone(),
            version: contract.map(|contract| contract.version),
            promised: contract.map(ToString::to_string),
            mismatches: Vec::new(),
            unread: Vec::new(),
        }
    }

    /// Whether the type can read what is promised.
    pub fn fits(&self) -> bool {
        self.mismatches.is_empty()
    }

    /// The report, if the type can read what is promised.
    ///
    /// # Errors
    /// `Invalid`, naming every field that does not fit.
    pub fn into_result(self) -> Result<Self> {
        if self.fits() {
            return Ok(self);
        }
        Err(refused(&[&self]))
    }
}

/// One error for all that do not fit.
pub(crate) fn refused(checks: &[&ContractCheck]) -> Error {
    let lines: Vec<String> = checks.iter().map(ToString::to_string).collect();
    let count: usize = checks.iter().map(|check| check.mismatches.len()).sum();
    let what = if count == 1 { "1 field does".into() } else { format!("{count} fields do") };
    let error = Error::invalid(format!("{what} not fit what is published")).because(lines.join("\n"));
    let is_changed = |mismatch: &Mismatch| matches!(mismatch.kind, MismatchKind::Changed { .. });
    let all = || checks.iter().flat_map(|check| &check.mismatches);
    let error = match all().any(is_changed) {
        true => error.hint(
            "what was changed by hand is put right by `cargo xtask infra:refs:publish` in the repo that exports it",
        ),
        false => error,
    };
    if all().all(is_changed) {
        return error;
    }
    error.hint("change the struct that reads it, or publish what it reads in the repo that exports it")
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match &self.kind {
            MismatchKind::Missing => write!(f, "`{path}` is missing"),
            MismatchKind::Renamed { to } => write!(f, "`{path}` is missing; it seems to be `{to}` now"),
            MismatchKind::Retyped { wanted, promised } => {
                write!(f, "`{path}` is read as {wanted}, and published as {promised}")
            }
            MismatchKind::Changed { promised, found } => {
                write!(f, "`{path}` is promised as {promised}, and {found} stands there")
            }
            MismatchKind::Refused { why } => write!(f, "`{path}`: {why}"),
        }
    }
}

impl fmt::Display for ContractCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let promised = match &self.promised {
            Some(promised) => format!("the contract, {promised}"),
            None => "the values there; it has no contract".into(),
        };
        let fits = if self.fits() { "fits" } else { "does not fit" };
        write!(f, "`{}` {fits} {promised}", self.path)?;
        self.mismatches.iter().try_for_each(|mismatch| write!(f, "\n  {mismatch}"))
    }
}
