//! Starting programs: the one place that does, so that every child has its own process group, masked output and
//! an end.

mod alive;
mod cmd;
mod detached;
mod failure;
mod group;
mod lines;
pub(crate) mod marked;
mod output;
mod run;
mod signals;
mod start;
#[cfg(all(test, unix))]
mod tests;
mod verbs;

pub use alive::kill_all;
pub use cmd::Cmd;
pub use detached::Detached;
pub use lines::{LineSink, Stream};
pub use output::Finished;
pub use signals::{EndSignal, on_end_signal};
