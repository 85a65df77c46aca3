//! `infra:cloudflare:*`: whether Cloudflare can be used, and making what is kept there.

use crate::app::{Cx, Pack, TaskRef};
use crate::error::Result;
use crate::tasks::health::HealthFlags;

/// The handles of `infra:cloudflare:*`.
#[derive(Clone, Copy, Debug)]
pub struct CloudflareTasks {
    /// Asks whether the token may do what this repo needs.
    pub test: TaskRef<()>,
    /// Makes the bucket of state in R2.
    pub setup: TaskRef<()>,
}

pub(super) fn register(pack: &mut Pack<'_>) -> CloudflareTasks {
    let test = pack
        .task("cloudflare:test")
        .about("Check that the token may do at Cloudflare what this repo needs, long enough")
        .args::<HealthFlags>()
        .read_only()
        .run(test);
    let setup = pack
        .task("cloudflare:setup")
        .about("Make the R2 bucket of Terraform state, and find out whether it can lock")
        .danger_unless_local()
        .plans()
        .run(setup);
    CloudflareTasks { test, setup }
}

async fn test(cx: Cx, flags: HealthFlags) -> Result<()> {
    // A deploy waits for it wherever the repo is deployed to.
    if !cx.is_requested() && !cx.infra().await?.uses_cloudflare()? {
        return Ok(());
    }
    let checked = async { cx.infra().await?.check_cloudflare(flags.planned()?).await }.await;
    flags.tell(&cx, checked)
}

async fn setup(cx: Cx) -> Result<()> {
    let infra = cx.infra().await?;
    let plan = infra.plan_cloudflare_setup().await?;
    if cx.is_dry_run() {
        cx.report(&plan);
        return Ok(());
    }
    let done = infra.set_up_cloudflare(plan).await?;
    cx.report(&done);
    done.probe.require()
}
