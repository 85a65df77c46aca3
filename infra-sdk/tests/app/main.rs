//! The task runtime as its users see it: an `App`, a command line, what is printed, an exit code.

#![cfg(unix)]

mod cli;
mod confirm;
mod output;
mod register;
mod run;
mod stop;

use std::path::PathBuf;

use infra_sdk::app::Console;
use infra_sdk::{App, Cx, Env, Error, ErrorKind, Result};

/// What one invocation left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs `app` without a terminal and without variables.
pub(crate) fn run(app: &App, line: &str) -> Ran {
    run_in(app, &[], line)
}

pub(crate) fn run_in(app: &App, vars: &[(&str, &str)], line: &str) -> Ran {
    run_on(app, vars, line, |console| console)
}

pub(crate) fn run_on(
    app: &App,
    vars: &[(&str, &str)],
    line: &str,
    set: impl FnOnce(Console) -> Console,
) -> Ran {
    let env = Env::of(vars.iter().copied(), std::env::temp_dir());
    let (console, seen) = Console::captured(env);
    let code = app.run_with(set(console), line.split_whitespace());
    Ran { code, out: seen.stdout(), err: seen.stderr() }
}

pub(crate) async fn nothing(_: Cx) -> Result<()> {
    Ok(())
}

pub(crate) async fn broken(_: Cx) -> Result<()> {
    Err(Error::new(ErrorKind::Failed, "it broke").hint("mend it"))
}

/// A folder of this test's own, removed at its end.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("infra-sdk-app-{}", infra_sdk::id::short().unwrap()));
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
