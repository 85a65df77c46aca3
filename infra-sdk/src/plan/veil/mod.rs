//! Hiding secrets by their value, wherever in a plan they stand.

mod config;
mod decoded;
mod grams;
mod learn;
#[expect(clippy::module_inception, reason = "the file is named after its type, `Veil`")]
mod veil;

#[cfg(test)]
mod tests;

pub(in crate::plan) use decoded::readable;
pub(in crate::plan) use learn::inside;
pub use veil::Veil;
