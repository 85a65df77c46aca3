//! `infra:tools:*`: the programs a repo needs.

use crate::app::{Cx, Pack, TaskRef};
use crate::error::Result;

/// The handles of `infra:tools:*`.
#[derive(Clone, Copy, Debug)]
pub struct ToolsTasks {
    /// Says which programs are missing.
    pub check: TaskRef<()>,
    /// Fetches the pinned ones.
    pub install: TaskRef<()>,
}

pub(super) fn register(pack: &mut Pack<'_>) -> ToolsTasks {
    ToolsTasks {
        check: pack
            .task("tools:check")
            .about("Say which of the programs this repo needs are missing")
            .read_only()
            .run(check),
        install: pack
            .task("tools:install")
            .about("Fetch the pinned programs, with their checksums")
            .plans()
            .run(install),
    }
}

async fn check(cx: Cx) -> Result<()> {
    let report = cx.infra().await?.check_tools().await?;
    cx.report(&report);
    report.ready()
}

async fn install(cx: Cx) -> Result<()> {
    let infra = cx.infra().await?;
    let plan = infra.plan_tools().await?;
    if cx.is_dry_run() {
        cx.report(&plan);
        return Ok(());
    }
    let left = plan.left();
    cx.report(&infra.install_tools(plan).await?);
    // What can be fetched is there now; that is not all the repo needs.
    left
}
