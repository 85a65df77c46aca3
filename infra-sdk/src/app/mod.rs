//! The task runtime: async functions with names, typed results and a command line. It knows nothing of infrastructure.
//!
//! # A first `xtask`
//!
//! A task is a plain async function that takes a [`Cx`] and returns a `Result`. It is registered under a name, and
//! what [`run`](TaskBuilder::run) gives back is its handle. Another task that `needs` the handle runs after it and
//! gets its result; with `after` it only runs after it. A wrong handle, or a body that does not take what its task
//! needs, does not compile.
//!
//! ```no_run
//! use std::process::ExitCode;
//! use std::sync::Arc;
//! use infra_sdk::{App, Cx, Env, Result};
//!
//! struct Bundle {
//!     file: std::path::PathBuf,
//! }
//!
//! async fn lint(cx: Cx) -> Result<()> {
//!     cx.cmd("cargo").args(["clippy", "--all-targets"]).run().await
//! }
//!
//! async fn build(cx: Cx) -> Result<Bundle> {
//!     cx.cmd("npm").args(["run", "build"]).dir(cx.root().join("web")).run().await?;
//!     Ok(Bundle { file: cx.root().join("web/dist.tar") })
//! }
//!
//! async fn deploy(cx: Cx, bundle: Arc<Bundle>) -> Result<()> {
//!     cx.say(format!("shipping {} to {}", bundle.file.display(), cx.environment()));
//!     Ok(())
//! }
//!
//! fn main() -> ExitCode {
//!     let mut app = App::new();
//!     let lint = app.task("lint").about("Look for mistakes").run(lint);
//!     let build = app.task("build").about("Build the web app").run(build);
//!     app.task("deploy").about("Ship to an environment").after(lint).needs(build).danger().run(deploy);
//!     match Env::of_process() {
//!         Ok(env) => app.run(&env, std::env::args_os().skip(1)),
//!         Err(error) => {
//!             eprintln!("{}", error.report());
//!             ExitCode::FAILURE
//!         }
//!     }
//! }
//! ```
//!
//! `cargo xtask` now lists `lint`, `build` and `deploy`; `cargo xtask deploy --env staging` asks once, then runs
//! `lint` and `build` at the same time, and then `deploy`.
//!
//! # What a body can rely on
//!
//! - It runs at most once an invocation, after everything it waits for has succeeded.
//! - When another task fails, its deadline passes or a person presses Ctrl-C, its [`Cx::cancel_token`] is cancelled
//!   and programs started with [`Cx::cmd`] end: `TERM` to the whole process group, `KILL` after the grace. The body
//!   has as long (and two seconds more) to return, then it is dropped.
//! - A panic fails its own task, with the exit code [`exit::BUG`].
//! - Its error may be anything that turns into an [`Error`](crate::Error). The first failure is repeated last, with
//!   its causes and hints, and decides the exit code; see [`exit`].
//! - Everything printed through its `Cx` is masked. What it prints with `println!` is not: use [`Cx::say`] for
//!   lines, [`Cx::report`] for the result.
//!
//! # The command line
//!
//! `cargo xtask [OPTIONS] TASK [FLAGS] [TASK [FLAGS]]…`: what follows a task are its own flags, up to the next word
//! that none of them takes, which is the next task. So `build test` runs both, and so does `build --release test`. A
//! task with positional arguments takes all words that follow and therefore comes last. `infra nats up` is
//! `infra:nats:up`; of two names that fit, the longer one wins. Global options may stand before and after any name.
//!
//! Dangerous tasks are confirmed before anything runs: by a person who sees the whole plan, or with `--yes=TASK` for
//! each. A protected environment is confirmed by typing its name, or, where nobody can type, with
//! `--confirm-env NAME` in addition to each `--yes=TASK`.
//!
//! # What is written where
//!
//! Standard output has results ([`Cx::report`]), what bodies say and what programs print there; standard error has
//! everything else. With `--output json` standard output has one JSON document and nothing else: the report of the
//! task that was asked for, `null` if it has none, or an object by name if several were. What failed without a report
//! stands there as `{"error": {"task", "kind", "message", "context", "causes", "hints", "retryable", "exit_code"}}`, also
//! when nothing was run; a dry run shows its plan, and under `reports` what was reported, by name. In GitHub Actions all
//! lines but results go to standard error, one `::group::` for each task, and no line of a program is taken for a command.
//!
//! # Where to read on
//!
//! Registration: `app.rs`, `task.rs`, `handle.rs`, `needs.rs`, `body.rs`, `args.rs`, `check.rs`. One invocation:
//! `invoke.rs`, then `cli.rs`, `graph.rs`, `confirm.rs`, `runner.rs`, `attempt.rs`, `summary.rs`. What bodies see:
//! `cx.rs`. What is printed: `output.rs`, `lane.rs`, `failed.rs`, `github.rs`.

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
mod failed;
mod flags;
mod github;
mod graph;
mod graph_view;
mod handle;
mod hint;
mod invoke;
mod lane;
mod layout;
mod list;
mod needs;
mod node;
mod output;
mod plan_view;
mod reported;
mod runner;
mod service;
mod signal;
mod sink;
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
