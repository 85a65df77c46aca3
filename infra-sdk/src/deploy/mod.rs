//! Rolling out: releases, the port every target implements, and the engine that goes back by itself.

mod engine;
mod habits;
mod plan;
mod progress;
mod release;
mod report;
mod rollout;
mod steps;
mod target;

pub use habits::{Habits, Takes};
pub(crate) use plan::running;
pub use plan::{RollbackPlan, StopPlan, plan_rollback, plan_stop};
pub use progress::Progress;
pub use release::{Release, ReleaseId, ReleaseSpec, ValueFrom};
pub use report::{History, Outcome, RolloutReport, StatusReport};
pub use rollout::{OnProgress, RolloutOptions, history, rollback, rollout, status, stop};
pub use target::{Claim, DeployTarget, Observation, Status};
