//! `infra:secrets:init`, `setup` and `test`: from `.env` to where the environment keeps its values.

use crate::app::{Cx, Pack, TaskRef};
use crate::error::Result;
use crate::infra::Infra;

pub(super) fn register(pack: &mut Pack<'_>) -> (TaskRef<()>, TaskRef<()>, TaskRef<()>) {
    let init =
        pack.task("secrets:init").about("Make .env.example, and a private .env to fill in").plans().run(init);
    let setup = pack
        .task("secrets:setup")
        .about("Store the values of .env, generate or ask for the rest")
        .danger_unless_local()
        .plans()
        .run(setup);
    let test =
        pack.task("secrets:test").about("Check that every needed secret is stored").read_only().run(test);
    (init, setup, test)
}

/// Says what a line in `.gitignore` does not help.
async fn warn_of_tracked(cx: &Cx, infra: &Infra) -> Result<()> {
    for file in infra.tracked_secret_files().await? {
        cx.warn(format!(
            "git tracks `{file}`, so its values are in the history: run `git rm --cached {file}`, commit, and give each of \
             them a new value"
        ));
    }
    Ok(())
}

async fn init(cx: Cx) -> Result<()> {
    let infra = cx.infra().await?;
    warn_of_tracked(&cx, &infra).await?;
    let plan = infra.plan_secret_files()?;
    if !cx.is_dry_run() {
        plan.apply()?;
    }
    cx.report(&plan);
    Ok(())
}

async fn setup(cx: Cx) -> Result<()> {
    let infra = cx.infra().await?;
    warn_of_tracked(&cx, &infra).await?;
    let mut setup = infra.plan_secrets().await?;
    if cx.is_dry_run() {
        cx.report(&setup.plan);
        return Ok(());
    }
    // Nobody shall type values for a setup that is refused anyway.
    setup.plan.require_form()?;
    if cx.can_ask() {
        for missing in setup.missing().to_vec() {
            let value = cx.ask_secret(&missing.to_string()).await?;
            setup.supply(missing.name, value);
        }
    }
    cx.report(&infra.store_secrets(setup).await?);
    Ok(())
}

async fn test(cx: Cx) -> Result<()> {
    let report = cx.infra().await?.check_secrets().await?;
    cx.report(&report);
    report.require()
}
