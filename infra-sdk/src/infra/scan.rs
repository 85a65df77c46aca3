//! Looking for this environment's real values in the repo around it.

use std::path::Path;

use crate::error::Result;
use crate::infra::open::Infra;
use crate::process::Cmd;
use crate::secrets::{self, HookPlan, LintReport, ScanOptions, ScanReport};

impl Infra {
    /// Where other programs read this repo's `.env` files differently.
    ///
    /// # Errors
    /// What reading the files fails with.
    pub fn lint_secrets(&self) -> Result<LintReport> {
        secrets::lint_files(self.config().root(), self.environment())
    }

    /// Looks for every value there is, needed or not, in the files of the repo, in what is staged, and in its history.
    ///
    /// # Errors
    /// As [`secrets::scan`]. What is found is no error: see [`ScanReport::require_clean`].
    pub async fn scan_secrets(&self, options: ScanOptions) -> Result<ScanReport> {
        let values = self.values().await?.to_map();
        let host = self.host().clone();
        let progress = move |done: &secrets::ScanProgress| {
            (host.on_progress)("searched", done.files + done.staged + done.objects, 0);
        };
        let start = self.starts_git();
        secrets::scan(self.config().root(), &values, options, &start, &self.host().cancel, progress).await
    }

    /// What looking before every commit would change.
    ///
    /// # Errors
    /// As [`secrets::plan_hook`].
    pub async fn plan_scan_hook(&self) -> Result<HookPlan> {
        secrets::plan_hook(self.config().root(), &self.starts_git()).await
    }

    fn starts_git(&self) -> impl Fn(&Path) -> Cmd + Sync + use<> {
        let host = self.host().clone();
        move |folder: &Path| host.command("git").dir(folder)
    }
}
