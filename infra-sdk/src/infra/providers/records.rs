//! What repos tell each other, and what was done.

use std::sync::Arc;

use crate::error::Result;
use crate::events::EventBus;
use crate::infra::providers::ports::Choice;
use crate::ledger::Ledger;
use crate::local::{LocalEvents, LocalLedger};

/// The events of an environment.
pub(super) fn events(choice: &Choice<'_>) -> Result<Arc<dyn EventBus>> {
    Ok(Arc::new(LocalEvents::new(choice.home.events())))
}

/// The record of an environment's changes.
pub(super) fn ledger(choice: &Choice<'_>) -> Result<Arc<dyn Ledger>> {
    Ok(Arc::new(LocalLedger::new(choice.home.ledger())))
}
