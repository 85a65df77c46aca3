//! `infra:plan` and `infra:apply`: the Terraform stacks.

use crate::app::{Cx, Pack, TaskRef};
use crate::error::Result;

pub(super) fn register(pack: &mut Pack<'_>) -> (TaskRef<()>, TaskRef<()>) {
    let plan = pack.task("plan").about("Show what applying the stacks would change").read_only().run(plan);
    let apply = pack
        .task("apply")
        .about("Apply the stacks in order, each exactly as planned")
        .danger_unless_local()
        .plans()
        .run(apply);
    (plan, apply)
}

async fn plan(cx: Cx) -> Result<()> {
    cx.report(&cx.infra().await?.plan_stacks().await?);
    Ok(())
}

async fn apply(cx: Cx) -> Result<()> {
    if cx.is_dry_run() {
        return plan(cx).await;
    }
    cx.report(&cx.infra().await?.apply_stacks().await?);
    Ok(())
}
