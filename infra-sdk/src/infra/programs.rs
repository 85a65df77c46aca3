//! The programs a repo needs: which are missing, and fetching the pinned ones.

use std::path::Path;

use crate::config::Lock;
use crate::error::Result;
use crate::infra::open::Infra;
use crate::tools::{self, InstallStep, Installed, ToolsReport};

impl Infra {
    /// Looks for every program of `[tools]`; a repo with stacks needs terraform or tofu, pinned or not.
    ///
    /// # Errors
    /// `NotFound` when there are stacks and neither terraform nor tofu is there.
    pub async fn check_tools(&self) -> Result<ToolsReport> {
        let report = tools::check(&self.settings().tools, self.env(), self.home().root()).await?;
        if report.ready().is_ok() && !self.settings().stack.is_empty() {
            self.terraform().await?;
        }
        Ok(report)
    }

    /// Fetches what `[tools]` pins and is not there, each checked against its checksum.
    ///
    /// # Errors
    /// `Conflict` with both checksums when an archive is not the expected one; what the download fails with.
    pub async fn install_tools(&self) -> Result<Installed> {
        let mut lock = Lock::load(self.config().root())?;
        let plan = tools::plan(&self.settings().tools, self.env(), self.home().root(), &lock).await?;
        self.host().tell(&plan.to_string());
        let host = self.host();
        let start = |program: &Path| host.command(program);
        let progress = |step: &InstallStep, bytes: u64| {
            host.tell(&format!("{} {}: {:.1} MB", step.tool, step.version, bytes as f64 / 1e6));
        };
        tools::apply(plan, &mut lock, self.env(), start, progress).await
    }
}
