//! Two plans held against each other, with their secrets hidden.

use std::fmt;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::plan::verdict::{self, Comparison};
use crate::plan::{Plan, Veil};

/// What a new plan does beyond an approved one. Addresses hold no secret of either plan.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Compared(Comparison);

impl Compared {
    /// Compares `anew` with `approved`.
    ///
    /// # Errors
    /// As [`verdict::compare`].
    pub fn of(approved: &Plan<'_>, anew: &Plan<'_>) -> Result<Self> {
        let mut veil = Veil::of(approved)?;
        veil.learn(anew)?;
        let mut comparison = verdict::compare(approved, anew)?;
        let texts = comparison.reasons.iter_mut().flat_map(|reason| [&mut reason.address, &mut reason.what]);
        veil.cover(&mut texts.collect::<Vec<_>>());
        Ok(Compared(comparison))
    }

    /// The comparison.
    pub fn comparison(&self) -> &Comparison {
        &self.0
    }

    /// For a program that goes on only when the approval covers the new plan.
    ///
    /// # Errors
    /// `Denied` with exit code 2 for a wider plan and 3 for an unrelated one.
    pub fn into_result(self) -> Result<()> {
        let verdict = self.0.verdict;
        if verdict.exit_code() == 0 {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Denied, format!("the new plan is {verdict}"))
            .hint("have it approved again: the reasons stand above")
            .exit_with(verdict.exit_code()))
    }
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
