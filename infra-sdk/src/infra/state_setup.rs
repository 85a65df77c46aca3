//! Making the place of Terraform state ready, once for an organisation.

use crate::error::Result;
use crate::infra::cloudflare_wait::patiently;
use crate::infra::open::Infra;
use crate::ledger::Outcome;
use crate::state::{SetupPlan, StateSetup};

impl Infra {
    /// What the place of this environment's state lacks: a bucket, versions, encryption, a policy. Changes nothing.
    ///
    /// # Errors
    /// `Conflict` when the bucket is somebody else's; `Invalid` when it is in another region or none is named;
    /// `Unavailable` or `Denied`.
    pub async fn plan_state_setup(&self) -> Result<SetupPlan> {
        let store = &self.ports().state_store;
        patiently(self.host(), || store.plan_setup()).await
    }

    /// Does what the plan says, then finds out what the store does about two that write at once.
    ///
    /// # Errors
    /// As [`plan_state_setup`](Infra::plan_state_setup); `Denied` with another account's credentials.
    pub async fn set_up_state(&self, plan: SetupPlan) -> Result<StateSetup> {
        let store = &self.ports().state_store;
        if !plan.steps.is_empty() {
            self.before_change().await?;
            patiently(self.host(), || store.set_up(&plan)).await?;
        }
        let probe = patiently(self.host(), || store.probe()).await?;
        // The ledger may lie in the same store, and needs what was probed.
        if !plan.steps.is_empty() && probe.creates_once {
            let steps: Vec<String> = plan.steps.iter().map(ToString::to_string).collect();
            self.record("state.setup", &plan.place, Outcome::Done, &[("steps", steps.join(", "))]).await?;
        }
        Ok(StateSetup { done: plan, probe })
    }
}
