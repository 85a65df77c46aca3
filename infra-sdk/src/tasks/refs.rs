//! `infra:refs:*`: what this repo reads of others, and what it publishes.

use crate::app::{Cx, Pack, TaskRef};
use crate::error::Result;

/// The handles of `infra:refs:*`.
#[derive(Clone, Copy, Debug)]
pub struct RefsTasks {
    /// Lists references and exports with what is there.
    pub list: TaskRef<()>,
    /// Says which references are missing.
    pub check: TaskRef<()>,
    /// Publishes the exports.
    pub publish: TaskRef<()>,
}

pub(super) fn register(pack: &mut Pack<'_>) -> RefsTasks {
    RefsTasks {
        list: pack.task("refs:list").about("List what this repo reads and publishes").read_only().run(list),
        check: pack.task("refs:check").about("Check that every reference is there").read_only().run(check),
        publish: pack
            .task("refs:publish")
            .about("Publish the exports from the outputs of their stacks")
            .danger_unless_local()
            .plans()
            .run(publish),
    }
}

async fn list(cx: Cx) -> Result<()> {
    cx.report(&cx.infra().await?.list_references().await?);
    Ok(())
}

async fn check(cx: Cx) -> Result<()> {
    cx.report(&cx.infra().await?.check_references().await?);
    Ok(())
}

async fn publish(cx: Cx) -> Result<()> {
    let infra = cx.infra().await?;
    let plan = infra.plan_exports().await?;
    if cx.is_dry_run() {
        cx.report(&plan);
    } else {
        cx.report(&infra.publish_exports(plan).await?);
    }
    Ok(())
}
