//! `infra:ecr:*`: the repositories that images are pushed to.

use crate::app::{Cx, Pack, TaskRef};
use crate::error::Result;

/// The handles of `infra:ecr:*`.
#[derive(Clone, Copy, Debug)]
pub struct EcrTasks {
    /// Makes and corrects the repositories.
    pub setup: TaskRef<()>,
}

pub(super) fn register(pack: &mut Pack<'_>) -> EcrTasks {
    let setup = pack
        .task("ecr:setup")
        .about("Make and correct the repositories of images: tags, scans, clean-up, who may pull, encryption")
        .danger_unless_local()
        .plans()
        .run(setup);
    EcrTasks { setup }
}

async fn setup(cx: Cx) -> Result<()> {
    let infra = cx.infra().await?;
    let report =
        if cx.is_dry_run() { infra.plan_repositories().await? } else { infra.set_up_repositories().await? };
    cx.report(&report);
    report.complete()
}
