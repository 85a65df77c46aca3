//! What repos tell each other.

use std::sync::Arc;

use crate::error::Result;
use crate::events::EventBus;
use crate::infra::providers::ports::Choice;
use crate::local::{LocalEvents, LocalRuns};
use crate::runs::RunStore;

/// The events of an environment.
pub(super) fn events(choice: &Choice<'_>) -> Result<Arc<dyn EventBus>> {
    Ok(Arc::new(LocalEvents::new(choice.home.events())))
}

/// The deploys over many repos.
pub(super) fn runs(choice: &Choice<'_>) -> Result<Arc<dyn RunStore>> {
    Ok(Arc::new(LocalRuns::new(choice.home.runs())))
}
