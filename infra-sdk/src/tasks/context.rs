//! What a task body gets of the infrastructure: `cx.infra()`.

use std::sync::Arc;

use crate::app::Cx;
use crate::error::Result;
use crate::infra::{Host, Infra};
use crate::tasks::services::Services;

/// Gives task bodies their environment.
///
/// ```no_run
/// use infra_sdk::{Cx, InfraCx, Result};
/// async fn show(cx: Cx) -> Result<()> {
///     let infra = cx.infra().await?;
///     cx.say(format!("working on {}", infra.environment()));
///     Ok(())
/// }
/// ```
#[expect(async_fn_in_trait, reason = "implemented for `Cx` alone, whose futures are `Send`")]
pub trait InfraCx {
    /// The environment that was chosen with `--env`, opened once a run; its lines are this task's.
    ///
    /// # Errors
    /// What reading `infra.toml` or opening its providers fails with.
    async fn infra(&self) -> Result<Infra>;
}

impl InfraCx for Cx {
    async fn infra(&self) -> Result<Infra> {
        let services: Arc<Services> = self.service::<Services>()?;
        let host =
            Host { lines: self.sink(), masks: self.masks().clone(), cancel: self.cancel_token().clone() };
        Ok(services.infra(self, &host).await?.for_host(host))
    }
}
