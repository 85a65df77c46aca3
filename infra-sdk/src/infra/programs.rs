//! The programs a repo needs: which are missing, and fetching the pinned ones.

use std::fmt;

use serde::Serialize;

use crate::config::Lock;
use crate::error::Result;
use crate::infra::open::Infra;
use crate::names::Label;
use crate::tools::{self, Installed, ToolsReport};

/// What was fetched, and which checksums were noted in `infra.lock`.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct InstalledTools(pub Installed);

impl fmt::Display for InstalledTools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)?;
        if !self.0.learned.is_empty() {
            write!(f, "\nnoted the checksums in infra.lock: commit it")?;
        }
        Ok(())
    }
}

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
    pub async fn install_tools(&self) -> Result<InstalledTools> {
        let mut lock = Lock::load(self.config().root())?;
        let known = |name: &str, version: &str, platform: &str| {
            lock.tool(&Label::new(name).ok()?, version, platform).cloned()
        };
        let plan = tools::plan(&self.settings().tools, self.env(), self.home().root(), known).await?;
        self.host().tell(&plan.to_string());
        let host = self.host().clone();
        let installed = tools::apply(plan, self.env(), move |program| host.command(program)).await?;
        for learned in &installed.learned {
            lock.set_tool(&Label::new(&learned.tool)?, &learned.version, &learned.platform, learned.digest.clone());
        }
        if !installed.learned.is_empty() {
            lock.save()?;
        }
        Ok(InstalledTools(installed))
    }
}
