//! A product's command line as a person sees it: lists, help, errors, exit codes, signals.

mod bad_input;
mod confirm;
mod costs;
mod drift;
mod lists;
mod plans;
mod settings;
mod signals;
#[cfg(unix)]
mod terminal;

use support::{Run, Scratch};

/// The smallest repo: an `infra.toml` and a local environment.
pub(crate) const INFRA_TOML: &str = "[project]\nname = \"shop\"\nkind = \"api\"\norg = \"acme\"\n";

/// A repo with this `infra.toml`, and an `INFRA_HOME` beside it.
pub(crate) fn shop(infra_toml: &str) -> Scratch {
    let scratch = Scratch::new("cli");
    scratch.write("repo/infra.toml", infra_toml);
    scratch
}

/// The repo's xtask with these arguments.
pub(crate) fn xtask(scratch: &Scratch, args: &[&str]) -> Run {
    Run::new(env!("CARGO_BIN_EXE_consumer"), &scratch.join("repo"))
        .env("INFRA_HOME", scratch.join("home"))
        .args(args)
}
