//! What repos tell each other, and what was done: on the NATS that infra.toml names, else with the rest.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::events::{EventBus, EventStore};
use crate::infra::providers::ports::Choice;
use crate::infra::unready::Unready;
use crate::ledger::Ledger;
use crate::local::LocalEvents;

/// The events of an environment. What is wrong with the settings of NATS is told when they are used: not everything that is
/// done in an environment needs it.
pub(super) fn events(choice: &Choice<'_>) -> Result<Arc<dyn EventBus>> {
    if choice.config.section()?.nats.is_none() {
        return Ok(Arc::new(LocalEvents::new(choice.home.events())));
    }
    Ok(nats::events(choice).unwrap_or_else(|error| Arc::new(Unready::new(&error))))
}

/// The service that carries events between machines.
pub(super) fn store(choice: &Choice<'_>) -> Result<Arc<dyn EventStore>> {
    if choice.config.section()?.nats.is_none() {
        return Ok(Arc::new(Unready::new(&unnamed(choice))));
    }
    Ok(nats::store(choice).unwrap_or_else(|error| Arc::new(Unready::new(&error))))
}

/// The ledger: `with_state`, unless infra.toml puts it into NATS.
pub(super) fn ledger(choice: &Choice<'_>, with_state: Arc<dyn Ledger>) -> Result<Arc<dyn Ledger>> {
    if !choice.config.section()?.nats.as_ref().is_some_and(|nats| nats.ledger) {
        return Ok(with_state);
    }
    Ok(nats::ledger(choice).unwrap_or_else(|error| Arc::new(Unready::new(&error))))
}

fn unnamed(choice: &Choice<'_>) -> Error {
    Error::invalid("this environment names no NATS")
        .with("environment", choice.config.environment())
        .hint("write `nats = { url = \"nats://host:4222\" }` into this environment in infra.toml")
        .hint("until then events are lines of a file on this machine, which needs no setting up")
}

#[cfg(feature = "nats")]
mod nats {
    use std::sync::Arc;

    use crate::error::Result;
    use crate::events::{EventBus, EventStore};
    use crate::infra::providers::ports::Choice;
    use crate::infra::providers::records::unnamed;
    use crate::ledger::Ledger;
    use crate::nats::{Nats, NatsAssets, NatsBus, NatsLedger};

    pub(super) fn events(choice: &Choice<'_>) -> Result<Arc<dyn EventBus>> {
        Ok(Arc::new(NatsBus::new(reach(choice)?)))
    }

    pub(super) fn store(choice: &Choice<'_>) -> Result<Arc<dyn EventStore>> {
        let settings = choice.config.section()?.nats.clone().unwrap_or_default();
        Ok(Arc::new(NatsAssets::new(reach(choice)?, &settings)))
    }

    pub(super) fn ledger(choice: &Choice<'_>) -> Result<Arc<dyn Ledger>> {
        Ok(Arc::new(NatsLedger::new(reach(choice)?, &choice.config.settings().project.org)))
    }

    fn reach(choice: &Choice<'_>) -> Result<Nats> {
        choice.wire.nats(choice.env, choice.config)?.ok_or_else(|| unnamed(choice))
    }
}

#[cfg(not(feature = "nats"))]
mod nats {
    use std::sync::Arc;

    use crate::error::{Error, Result};
    use crate::events::{EventBus, EventStore};
    use crate::infra::absent::Absent;
    use crate::infra::providers::ports::Choice;
    use crate::ledger::Ledger;

    pub(super) fn events(choice: &Choice<'_>) -> Result<Arc<dyn EventBus>> {
        Err(absent(choice))
    }

    pub(super) fn store(choice: &Choice<'_>) -> Result<Arc<dyn EventStore>> {
        Err(absent(choice))
    }

    pub(super) fn ledger(choice: &Choice<'_>) -> Result<Arc<dyn Ledger>> {
        Err(absent(choice))
    }

    fn absent(choice: &Choice<'_>) -> Error {
        Absent::new("`nats` of an environment", "nats", choice.config.environment()).error()
    }
}
