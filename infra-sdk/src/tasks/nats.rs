//! `infra:nats:*`: what repos tell each other, and whether they can.

use crate::app::{Pack, TaskRef};
use crate::tasks::nats_health;

/// The handles of `infra:nats:*`.
#[derive(Clone, Copy, Debug)]
pub struct NatsTasks {
    /// Says whether NATS can be used.
    pub health: TaskRef<()>,
}

pub(super) fn register(pack: &mut Pack<'_>) -> NatsTasks {
    NatsTasks { health: nats_health::register(pack) }
}
