//! Starting programs: the one place that does, so that every child has its own process group, masked output and
//! an end.

mod cmd;
mod detached;
mod failure;
mod group;
mod lines;
mod output;
mod run;
mod start;
#[cfg(all(test, unix))]
mod tests;
mod verbs;

pub use cmd::Cmd;
pub use detached::Detached;
pub use lines::{LineSink, Stream};
pub use output::Finished;
