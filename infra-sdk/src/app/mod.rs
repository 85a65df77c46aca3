//! The task runtime.

#[expect(clippy::module_inception, reason = "the file is named after its type, `App`")]
mod app;
mod args;
mod ask;
mod attempt;
mod body;
mod check;
mod cli;
mod confirm;
mod console;
mod cx;
mod cx_test;
mod environment;
pub mod exit;
mod flags;
mod github;
mod graph;
mod graph_view;
mod handle;
mod invoke;
mod lane;
mod layout;
mod list;
mod needs;
mod node;
mod output;
mod plan_view;
mod runner;
mod service;
mod signal;
mod summary;
mod task;
mod text;

pub use app::{App, Pack};
pub use args::{Arguments, FlagsOf, NoArgs, TaskArgs, WithArgs};
pub use body::Body;
pub use console::{Captured, Console};
pub use cx::Cx;
pub use cx_test::CxBuilder;
pub use environment::Environment;
pub use handle::{TaskId, TaskRef};
pub use needs::{After, Needs, Outputs};
pub use task::{NewOutput, SameOutput, TaskBuilder};
