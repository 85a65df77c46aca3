//! Replacing a secret with an overlap: the new value and the old one are both given out until the old one is dropped.
//!
//! 1. Begin: `NAME` gets a new value and `NAME_PREVIOUS` the old one, in the store; a sync brings both to the targets.
//! 2. Programs accept both.
//! 3. Finish: `NAME_PREVIOUS` is dropped, in the store and by the next sync in the targets.
//!
//! What is under way stands in the store alone, so that anybody can go on with it, and a run that was killed is completed
//! by running it again.

mod apply;
mod plan;
mod previous;
#[cfg(test)]
mod tests;
mod value;

pub use apply::RotationReport;
pub use plan::{RotationPlan, RotationState, RotationStep, plan_rotation};
pub use previous::previous_of;
pub use value::value_from_output;
