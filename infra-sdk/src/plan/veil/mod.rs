//! Hiding secrets by their value, wherever in a plan they stand.

mod learn;
#[expect(clippy::module_inception, reason = "the file is named after its type, `Veil`")]
mod veil;

pub use veil::Veil;
