//! A saved plan: private, applied once, gone afterwards.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use crate::digest::Digest;
use crate::error::Result;
use crate::file;
use crate::plan::{Plan, PlanJson, Summary, Veil};
use crate::secret::SecretValue;
use crate::terraform::code;
use crate::terraform::stack::Opened;

/// A plan that [`Stack::apply`](super::Stack::apply) carries out exactly as it is.
///
/// The file holds secrets in clear: it is readable by its owner only and removed when this is dropped.
/// For as long as it lives no other run on this machine can work on the stack.
#[derive(Debug, Serialize)]
pub struct PlanFile {
    stack: String,
    summary: Summary,
    #[serde(skip)]
    json: Arc<PlanJson>,
    #[serde(skip)]
    secrets: Vec<SecretValue>,
    #[serde(skip)]
    saved: Saved,
    #[serde(skip)]
    opened: Arc<Opened>,
}

impl PlanFile {
    /// `json` is what Terraform shows of the plan in `saved`.
    pub(super) fn new(
        stack: &str,
        json: Arc<PlanJson>,
        secrets: Vec<SecretValue>,
        saved: Saved,
        opened: Arc<Opened>,
    ) -> Result<Self> {
        let summary = {
            let plan = json.plan()?;
            Summary::of(&plan)?.without_secrets(&Veil::of(&plan)?)
        };
        Ok(PlanFile { stack: stack.to_owned(), summary, json, secrets, saved, opened })
    }

    /// The stack it is for.
    pub fn stack(&self) -> &str {
        &self.stack
    }

    /// Whether applying it does anything, be it only to an output.
    pub fn has_changes(&self) -> bool {
        // Versions before 1.8, and OpenTofu, do not say it themselves.
        self.summary.applyable.unwrap_or_else(|| self.summary.has_changes())
    }

    /// What it does, in numbers and names; without a secret in them.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// What it does, in all detail. It holds secrets: show it through a [`Veil`](crate::plan::Veil).
    ///
    /// # Errors
    /// As [`Plan::parse`].
    pub fn plan(&self) -> Result<Plan<'_>> {
        self.json.plan()
    }

    /// What [`plan`](PlanFile::plan) reads; it may outlive the plan file.
    pub fn json(&self) -> Arc<PlanJson> {
        self.json.clone()
    }

    /// Where the saved plan is; never publish it.
    pub fn path(&self) -> &Path {
        &self.saved.path
    }

    /// A digest of the code it was made from, modules included; not of files beside the code that it reads.
    ///
    /// # Errors
    /// `Invalid` when it cannot be told, such as of a plan that OpenTofu has encrypted; `Io`.
    pub fn code(&self) -> Result<Digest> {
        code::digest(&self.saved.path)
    }

    /// The secrets among its variables, to be masked in what Terraform prints.
    pub(super) fn secrets(&self) -> &[SecretValue] {
        &self.secrets
    }

    pub(super) fn is_of(&self, opened: &Arc<Opened>) -> bool {
        Arc::ptr_eq(&self.opened, opened)
    }

    pub(super) fn into_summary(self) -> Summary {
        self.summary
    }
}

impl fmt::Display for PlanFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.has_changes() {
            write!(f, "{}: {}", self.stack, self.summary)
        } else {
            write!(f, "{}: no changes", self.stack)
        }
    }
}

/// What was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Applied {
    /// The stack.
    pub stack: String,
    /// The plan that was carried out, all of it.
    pub summary: Summary,
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.summary.counts;
        write!(
            f,
            "{}: {} added, {} changed, {} destroyed",
            self.stack, counts.add, counts.change, counts.destroy
        )
    }
}

/// The file of a plan, removed when dropped.
#[derive(Debug)]
pub(super) struct Saved {
    pub(super) path: PathBuf,
}

impl Saved {
    /// A new empty file of mode 0600 for Terraform to fill: it keeps the mode of a file that is there.
    pub(super) fn empty(folder: &Path) -> Result<Self> {
        Self::holding(folder, b"")
    }

    /// A new file of mode 0600 with a plan that was saved earlier.
    pub(super) fn holding(folder: &Path, plan: &[u8]) -> Result<Self> {
        let path = folder.join(format!("{}.tfplan", crate::id::short()?));
        let saved = Saved { path };
        file::write(&saved.path, plan, file::Access::Private)?;
        Ok(saved)
    }
}

impl Drop for Saved {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
