//! What going back and stopping would do, before it is done.

use std::fmt;

use serde::Serialize;

use crate::deploy::release::{Release, ReleaseId};
use crate::deploy::rollout::earlier;
use crate::deploy::target::{DeployTarget, Status};
use crate::error::Result;

/// What a rollback would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RollbackPlan {
    /// What runs, also what a rollout left half way, or ran last; `None` when nothing was started yet.
    pub current: Option<Release>,
    /// The release that would run.
    pub release: ReleaseId,
    /// Its version.
    pub version: String,
    /// Whether the target still has it; else it is made again from its image.
    pub kept: bool,
}

/// What a stop would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StopPlan {
    /// The release that would be stopped; `None` when nothing runs.
    pub release: Option<ReleaseId>,
}

/// Which release [`rollback`](crate::deploy::rollback) would start. Changes nothing.
///
/// # Errors
/// `NotFound` when there is no such release; what the target fails with.
pub async fn plan_rollback(target: &dyn DeployTarget, to: Option<&ReleaseId>) -> Result<RollbackPlan> {
    let status = target.status().await?;
    let release = earlier(&status, to)?;
    let current = running(&status);
    Ok(RollbackPlan { current, release: release.id.clone(), version: release.version.clone(), kept: true })
}

/// The release that runs, or ran last.
pub(crate) fn running(status: &Status) -> Option<Release> {
    status.active.as_ref().or(status.current.as_ref()).and_then(|id| status.release(id)).cloned()
}

/// Which release [`stop`](crate::deploy::stop) would end. Changes nothing.
///
/// # Errors
/// What the target fails with.
pub async fn plan_stop(target: &dyn DeployTarget) -> Result<StopPlan> {
    Ok(StopPlan { release: target.status().await?.active })
}

impl fmt::Display for RollbackPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RollbackPlan { release, version, .. } = self;
        match &self.current {
            Some(current) => write!(f, "goes from {current} back to {version} ({release})")?,
            None => write!(f, "goes back to {version} ({release})")?,
        }
        if !self.kept {
            f.write_str(", made again from its image")?;
        }
        Ok(())
    }
}

impl fmt::Display for StopPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.release {
            Some(release) => write!(f, "stops release {release}"),
            None => f.write_str("nothing is running"),
        }
    }
}
