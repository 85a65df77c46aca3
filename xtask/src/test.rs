//! `test` and `ci`: everything that says whether this checkout is good.

use infra_sdk::{Cx, Error, Result};

use crate::provision;

/// `test`: unit, contract, flow, cli, template, feature and tidy tests, with everything they need.
///
/// # Errors
/// `NotFound` when a program is missing that a person must install; `Failed` when a test does.
pub(crate) async fn test(cx: Cx) -> Result<()> {
    needs(&cx)?;
    // Two steps, so that the heavy part waits until the quick one is green.
    let cargo = |args: &[&str]| {
        cx.cmd("cargo").args(args).env("CARGO_TERM_COLOR", "never").env_remove("CARGO_MANIFEST_DIR")
    };
    cargo(&["test", "--package", "infra-sdk", "--features", "derive", "--package", "xtask"]).run().await?;
    cargo(&["test", "--package", "infra-sdk-tests", "--no-fail-fast", "--", "--test-threads", "4"])
        .run()
        .await
}

/// `ci`: formatting, lints with every feature and with none, documentation, then `test`.
///
/// # Errors
/// `Failed` at the first step that finds something.
pub(crate) async fn ci(cx: Cx) -> Result<()> {
    let cargo = |args: &[&str]| cx.cmd("cargo").args(args).env("CARGO_TERM_COLOR", "never");
    cargo(&["fmt", "--all", "--check"]).run().await?;
    cargo(&["clippy", "--package", "infra-sdk", "--all-targets", "--", "--deny", "warnings"]).run().await?;
    cargo(&["clippy", "--workspace", "--all-targets", "--all-features", "--", "--deny", "warnings"])
        .run()
        .await?;
    cargo(&["doc", "--package", "infra-sdk", "--no-deps", "--all-features"])
        .env("RUSTDOCFLAGS", "--deny warnings")
        .run()
        .await?;
    test(cx.clone()).await
}

/// All programs that the tests start and that are not fetched by themselves, missing ones named at once.
fn needs(cx: &Cx) -> Result<()> {
    let wanted = [
        ("cargo", "from rustup"),
        ("git", "2.30 or newer"),
        ("python3", "3.9 or newer"),
        ("ps", "from procps"),
    ];
    let mut missing: Vec<String> = wanted
        .into_iter()
        .filter(|(program, _)| cx.env().which(program).is_none())
        .map(|(program, what)| format!("{program} ({what})"))
        .collect();
    if cx.env().which("terraform").is_none() && cx.env().which("tofu").is_none() {
        missing.push("terraform (1.5 or newer) or tofu".into());
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::not_found(format!("the tests need {}", missing.join(", ")))
        .hint("install them and run `cargo xtask test` again; no test is skipped for a missing program"))
}

/// Fetches what benches compare with, for those who want it before they are offline.
///
/// # Errors
/// As [`provision::python_tools`].
pub(crate) async fn provision(cx: Cx) -> Result<()> {
    let bin = provision::python_tools(&cx).await?;
    cx.say(format!("peers for the benches are in {}", bin.display()));
    Ok(())
}
