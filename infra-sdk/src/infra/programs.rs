//! The programs a repo needs: which are missing, and fetching the pinned ones.

use std::path::Path;

use crate::config::Lock;
use crate::env::Env;
use crate::error::Result;
use crate::infra::open::Infra;
use crate::tools::{self, InstallPlan, InstallStep, Installed, ToolsReport};

impl Infra {
    /// Looks for every program of `[tools]`; a repo with stacks needs terraform or tofu, pinned or not.
    ///
    /// # Errors
    /// `NotFound` when there are stacks and neither terraform nor tofu is there.
    pub async fn check_tools(&self) -> Result<ToolsReport> {
        let report = tools::check(&self.settings().tools, &self.programs(), self.home().root()).await?;
        if report.ready().is_ok() && !self.settings().stack.is_empty() {
            self.terraform().await?;
        }
        Ok(report)
    }

    /// What of `[tools]` must be fetched, and from where.
    ///
    /// # Errors
    /// `Invalid` when the version of a tool is none.
    pub async fn plan_tools(&self) -> Result<InstallPlan> {
        let lock = Lock::load(self.config().root())?;
        tools::plan(&self.settings().tools, &self.programs(), self.home().root(), &lock).await
    }

    /// Where programs are looked for: what npm put into this repo, such as wrangler, before the rest.
    fn programs(&self) -> Env {
        let root = self.config().root();
        let settings = self.settings().deploy.wrangler.as_ref().map(|path| root.join(path));
        let beside = settings.as_deref().and_then(Path::parent).map(Path::to_owned);
        let folders = beside.into_iter().chain([root.to_owned()]);
        self.env().looking_first_in(folders.map(|folder| folder.join("node_modules/.bin")))
    }

    /// Fetches what was planned, each archive checked against its checksum.
    ///
    /// # Errors
    /// `Conflict` with both checksums when an archive is not the expected one; what the download fails with.
    pub async fn install_tools(&self, plan: InstallPlan) -> Result<Installed> {
        let host = self.host();
        if !plan.steps.is_empty() {
            host.tell(&plan.to_string());
        }
        let start = |program: &Path| host.command(program);
        let progress = |step: &InstallStep, bytes: u64| {
            host.tell(&format!("{} {}: {:.1} MB", step.tool, step.version, bytes as f64 / 1e6));
        };
        tools::apply(plan, &mut Lock::load(self.config().root())?, self.env(), start, progress).await
    }
}
