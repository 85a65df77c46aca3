//! One environment: a provider behind every port, and the flows that go over several of them.

mod home;
mod host;
mod open;
mod programs;
mod record;
mod references;
mod release;
mod secrets;
mod stacks;

pub use home::Home;
pub use host::Host;
pub use open::{Infra, Ports};
pub use references::Exports;
pub use release::{Log, Stopped};
pub use secrets::SecretsSetup;
pub use stacks::{AppliedStacks, PlannedStacks};
