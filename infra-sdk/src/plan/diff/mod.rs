//! What changes inside a resource, attribute by attribute.

mod attribute;
mod hidden;
mod identity;
mod lines;
mod list;
mod members;
mod path;
mod place;
mod relevant;
mod removed;
mod resource;
mod rules;
mod sequence;
mod sets;
mod text;
mod walk;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;

pub use attribute::{AttributeChange, Difference, LineChange, ResourceDiff, SensitiveChange};
pub use path::steps;
pub(in crate::plan) use path::{forcing, push_key};
pub use relevant::Relevant;
pub use resource::{output, resource, resource_with, values};
