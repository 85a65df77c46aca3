//! What a task body gets of the infrastructure: `cx.infra()`.

use std::sync::Arc;

use crate::app::Cx;
use crate::error::Result;
use crate::infra::{Host, Infra};
use crate::tasks::services::Services;

impl Cx {
    /// The environment that was chosen with `--env`, opened once a run; its lines are this task's.
    ///
    /// ```no_run
    /// use infra_sdk::{Cx, Result};
    /// async fn show(cx: Cx) -> Result<()> {
    ///     let infra = cx.infra().await?;
    ///     cx.say(format!("working on {}", infra.environment()));
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// What reading `infra.toml` or opening its providers fails with.
    pub async fn infra(&self) -> Result<Infra> {
        let services: Arc<Services> = self.service::<Services>()?;
        let (learns, waits, moves) = (self.clone(), self.clone(), self.clone());
        let host = Host {
            lines: self.sink(),
            masks: self.masks().clone(),
            cancel: self.cancel_token().clone(),
            on_secret: Arc::new(move |value| learns.secret(value)),
            on_progress: Arc::new(move |step, done, of| moves.progress(step, done, of)),
            on_grace: Arc::new(move |length| waits.needs_grace(length)),
        };
        Ok(services.infra(self, &host).await?.for_host(host))
    }
}
