//! What changes inside a resource, attribute by attribute.

mod attribute;
mod path;

pub use attribute::{AttributeChange, Difference, LineChange, ResourceDiff, SensitiveChange};
pub(in crate::plan) use path::push_key;
pub use path::steps;
