//! How far a plan reaches: which exported values it changes, and who is known to read them.

mod effect;
mod outputs;
mod parameters;
mod reach;
mod readers;
mod report;
#[cfg(test)]
mod tests;

pub use effect::Effect;
pub use reach::of;
pub use readers::{Reader, Readers};
pub use report::{Impact, Index, PathImpact};
