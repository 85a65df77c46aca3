//! Trees of values that know where each value came from, and a reader that reports every problem at once.

mod access;
mod de;
mod deserializer;
mod node;
mod problem;
mod reader;
mod walk;

pub use de::{Keys, ReadOptions, Unknown, read};
pub use node::{Node, Origin, Value};
pub use problem::{Problem, ProblemKind, refused};
