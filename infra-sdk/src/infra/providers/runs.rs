//! Deploys over many repos.

use std::sync::Arc;

use crate::error::Result;
#[cfg(not(feature = "nats"))]
use crate::infra::absent::Absent;
use crate::infra::providers::ports::Choice;
use crate::infra::unready::Unready;
use crate::local::LocalRuns;
#[cfg(feature = "nats")]
use crate::nats::NatsRuns;
use crate::runs::RunStore;

/// Where the runs of an environment are kept: in NATS where it names one, else on this machine. What is wrong with the
/// settings is told when a run is asked for.
pub(super) fn open(choice: &Choice<'_>) -> Result<Arc<dyn RunStore>> {
    if choice.config.section()?.nats.is_none() {
        return Ok(Arc::new(LocalRuns::new(choice.home.runs())));
    }
    #[cfg(feature = "nats")]
    let store: Arc<dyn RunStore> = match choice.wire.nats(choice.env, choice.config) {
        Ok(Some(nats)) => Arc::new(NatsRuns::new(nats, &choice.config.settings().project.org)),
        Ok(None) => Arc::new(LocalRuns::new(choice.home.runs())),
        Err(error) => Arc::new(Unready::new(&error)),
    };
    #[cfg(not(feature = "nats"))]
    let store: Arc<dyn RunStore> =
        Arc::new(Unready::new(&Absent::new("`nats`", "nats", choice.config.environment()).error()));
    Ok(store)
}
