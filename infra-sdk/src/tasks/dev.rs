//! `infra:dev` and `infra:dev:setup`: making a checkout ready to work, and working in it.

use crate::app::{Cx, Pack, TaskRef};
use crate::error::{ErrorKind, Result};
use crate::tasks::{SecretsTasks, ToolsTasks};

/// The handles of `infra:dev` and `infra:dev:setup`.
#[derive(Clone, Copy, Debug)]
pub struct DevTasks {
    /// Runs the app with what it needs.
    pub run: TaskRef<()>,
    /// Tools, secrets, references: what a repo's own `setup` stands on.
    pub setup: TaskRef<()>,
}

pub(super) fn register(pack: &mut Pack<'_>, tools: &ToolsTasks, secrets: &SecretsTasks) -> DevTasks {
    let run = pack
        .task("dev")
        .about("Run the app with its secrets and references, and a NATS server where it wants one")
        .plans()
        .run(run);
    let setup = pack
        .task("dev:setup")
        .about("Make this checkout ready: tools, secrets, references")
        .after((tools.check, secrets.setup))
        .run(setup);
    DevTasks { run, setup }
}

async fn run(cx: Cx) -> Result<()> {
    let infra = cx.infra().await?;
    let plan = infra.plan_dev().await?;
    if cx.is_dry_run() {
        cx.report(&plan);
        return Ok(());
    }
    cx.report(&infra.run_dev(plan).await?);
    Ok(())
}

/// A reference that is not there yet, or not as it is read, is no reason to stop: it may take another repo to publish it,
/// and a deploy asks again.
async fn setup(cx: Cx) -> Result<()> {
    match cx.infra().await?.check_references().await {
        Ok(check) => cx.say(check),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Invalid) => {
            cx.warn(error.report())
        }
        Err(error) => return Err(error),
    }
    Ok(())
}
