//! `infra:secrets:*`: from `.env` to where the environment keeps them.

use crate::app::{Cx, Pack, TaskRef};
use crate::error::Result;
use crate::tasks::context::InfraCx;

/// The handles of `infra:secrets:*`.
#[derive(Clone, Copy, Debug)]
pub struct SecretsTasks {
    /// Makes `.env.example` and an empty `.env`.
    pub init: TaskRef<()>,
    /// Brings every needed value to the store.
    pub setup: TaskRef<()>,
    /// Says which values are missing.
    pub test: TaskRef<()>,
}

pub(super) fn register(pack: &mut Pack<'_>) -> SecretsTasks {
    SecretsTasks {
        init: pack.task("secrets:init").about("Make .env.example, and a private .env to fill in").run(init),
        setup: pack.task("secrets:setup").about("Store the values of .env, generate or ask for the rest").run(setup),
        test: pack.task("secrets:test").about("Check that every needed secret is stored").read_only().run(test),
    }
}

async fn init(cx: Cx) -> Result<()> {
    cx.report(&cx.infra().await?.init_secrets()?);
    Ok(())
}

async fn setup(cx: Cx) -> Result<()> {
    let infra = cx.infra().await?;
    let mut plan = infra.plan_secrets().await?;
    if cx.can_ask() {
        for missing in plan.missing().to_vec() {
            let value = cx.ask_secret(&missing.question()).await?;
            if !value.is_empty() {
                plan.supply(&missing.name, value)?;
            }
        }
    }
    cx.report(&infra.store_secrets(plan).await?);
    Ok(())
}

async fn test(cx: Cx) -> Result<()> {
    let report = cx.infra().await?.test_secrets().await?;
    cx.report(&report);
    report.ready()
}
