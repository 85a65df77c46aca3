//! Trees of values that know where each value came from, and a reader that reports every problem at once.

mod access;
mod deserializer;
mod node;
mod problem;
mod read;
mod reader;
mod walk;

pub use node::{Node, Origin, Value};
pub(crate) use node::{child, item};
pub use problem::{Problem, ProblemKind, refused};
pub use read::{Keys, ReadOptions, Unknown, read};
pub(crate) use reader::A_LIST;
