//! Making ready what carries events between machines, once for an organisation.

use crate::error::Result;
use crate::events::{Access, AssetsPlan, AssetsSetup, Permissions, Source};
use crate::infra::open::Infra;
use crate::ledger::Outcome;

impl Infra {
    /// What of the streams and buckets is missing or other than it should be. Changes nothing.
    ///
    /// # Errors
    /// `Invalid` where no service is named; `Denied`, naming what may not be done; `Unavailable`.
    pub async fn plan_events_setup(&self) -> Result<AssetsPlan> {
        self.ports().event_store.plan_setup().await
    }

    /// Does what the plan says; nothing is removed or made anew.
    ///
    /// # Errors
    /// `Conflict` when something was changed since the plan was made; otherwise as
    /// [`plan_events_setup`](Infra::plan_events_setup).
    pub async fn set_up_events(&self, plan: AssetsPlan) -> Result<AssetsSetup> {
        if !plan.steps.is_empty() {
            self.before_change().await?;
            self.ports().event_store.set_up(&plan).await?;
            let steps: Vec<String> = plan.steps.iter().map(|step| step.asset.clone()).collect();
            let details = [("assets", steps.join(", "))];
            self.record("nats.bootstrap", &plan.place, Outcome::Done, &details).await?;
        }
        Ok(AssetsSetup { done: plan })
    }

    /// What a user of the service may do who speaks for a repository and no other, and goes that far.
    ///
    /// # Errors
    /// `Invalid` where no service is named.
    pub fn event_permissions(&self, source: &Source, access: Access) -> Result<Permissions> {
        self.ports().event_store.permissions(source, access)
    }
}
