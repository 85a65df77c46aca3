//! One environment: a provider behind every port, and the flows that go over several of them.

mod absent;
mod costs;
mod hand_over;
mod home;
mod host;
mod images;
mod keys;
mod locks;
mod open;
mod programs;
mod providers;
mod record;
mod references;
mod rollout;
mod rotation;
mod scan;
mod secrets;
mod stacks;
mod stores;
mod sync;
mod values;

pub use costs::CheckedCosts;
pub use hand_over::{Handed, PlannedRestore};
pub use home::Home;
pub use host::{Host, OnProgress};
pub use keys::{OwnKey, Rekeyed};
pub use open::{Infra, Ports};
pub use references::Exports;
pub use rollout::{Log, Stopped};
pub use rotation::Rotated;
pub use scan::Scanned;
pub use secrets::SecretsSetup;
pub use stacks::{AppliedStacks, PlannedStacks};
