//! JSON as a plan needs it: borrowed from the file, numbers as they were written, objects in order.
//!
//! A plan is read in two steps. [serde_json](https://docs.rs/serde_json) goes over the whole text once, checks every
//! byte of it and leaves the values of attributes as raw slices. [`Value`] makes a tree of one such slice, when
//! somebody asks for it. A tree of `serde_json` itself would turn 12345678901234567890.5 into another number.

mod canonical;
mod mark;
mod members;
mod number;
mod reader;
mod text;
mod value;

pub use mark::Mark;
pub use number::Number;
pub use text::Text;
pub use value::{Object, Value};

pub(in crate::plan) use canonical::{canonical, canonical_by, canonical_document};
pub(in crate::plan) use members::Members;
