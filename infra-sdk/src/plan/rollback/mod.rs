//! The way back from a plan or from what was applied, computed before anybody needs it.
//!
//! [`WayBack::of`] is the inverse of a plan, for the reviewer: what would undo it, and what nothing undoes.
//! [`WayBack::between`] is the same for what has happened: from the state as it is to the copy that was kept before.

mod loss;
mod state;
mod step;
mod way_back;

pub use state::StateJson;
pub use step::{Certainty, Step, Undo};
pub use way_back::WayBack;
