//! What repos tell each other.

use std::sync::Arc;

use crate::error::Result;
use crate::events::EventBus;
use crate::infra::providers::ports::Choice;
use crate::local::LocalEvents;

/// The events of an environment.
pub(super) fn events(choice: &Choice<'_>) -> Result<Arc<dyn EventBus>> {
    Ok(Arc::new(LocalEvents::new(choice.home.events())))
}
