//! `test` and `ci`: everything that says whether this checkout is good.

use infra_sdk::env::CI;
use infra_sdk::{Cmd, Cx, Error, Result};

use crate::provision;

/// What tests start and nobody can fetch for them: the program, where it comes from, and the tests that need it, by
/// a part of their names; no part: nothing can run without it.
const PROGRAMS: [(&[&str], &str, &[&str]); 7] = [
    (&["git"], "git 2.30 or newer", &[]),
    (
        &["terraform", "tofu"],
        "terraform 1.5 or newer, or tofu",
        &["terraform", "organisation", "infrastructure", "demo"],
    ),
    (&["python3"], "Python 3.9 or newer", &["terminal"]),
    (&["ps"], "ps, from procps", &["interrupt", "demo"]),
    (
        &["docker-registry"],
        "docker-registry, of Debian's package",
        &["docker_registry", "skopeo", "staging", "dockerfiles"],
    ),
    (&["skopeo"], "skopeo", &["skopeo", "staging", "dockerfiles"]),
    (&["buildah"], "buildah", &["dockerfiles"]),
];

/// How many tests run at the same time at least.
const AT_ONCE: usize = 4;

/// `test`: unit, contract, flow, cli, template, feature and tidy tests, with everything they need.
///
/// # Errors
/// `NotFound` when a program is missing without which nothing runs, or any in CI; `Failed` when a test does.
pub(crate) async fn test(cx: Cx) -> Result<()> {
    let missing =
        PROGRAMS.iter().filter(|(names, ..)| names.iter().all(|name| cx.env().which(name).is_none()));
    let missing: Vec<(&str, &[&str])> = missing.map(|(_, what, tests)| (*what, *tests)).collect();
    if let Some((what, _)) = missing.iter().find(|(_, tests)| tests.is_empty()) {
        return Err(
            Error::not_found(format!("the tests need {what}")).hint("install it and run the tests again")
        );
    }
    provision::counterparts(&cx).await?;
    cargo(&cx, &["test", "--package", "infra-sdk", "--features", "full", "--package", "xtask"]).run().await?;
    let mut rest =
        cargo(&cx, &["test", "--package", "infra-sdk-tests", "--features", "remote", "--no-fail-fast", "--"]);
    // Much of their time is spent waiting: for servers, for limits of time.
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    if cx.env().get("RUST_TEST_THREADS").is_none() {
        rest = rest.env("RUST_TEST_THREADS", cores.max(AT_ONCE).to_string());
    }
    // A minute's worth of hostile plans where nobody waits at a keyboard; who wants more says so.
    if cx.env().flag(CI) && cx.env().get("INFRA_FUZZ_SECONDS").is_none() {
        rest = rest.env("INFRA_FUZZ_SECONDS", "60");
    }
    for part in missing.iter().flat_map(|(_, tests)| *tests) {
        rest = rest.args(["--skip", part]);
    }
    if !provision::has_debian_nats_server(&cx) {
        // Not every system that CI runs on has a package of it.
        rest = rest.args(["--skip", "debian_2_9"]);
        cx.warn("not run, for want of Debian 12's nats-server: tests with debian_2_9 in their names");
    }
    if !provision::has_workerd(&cx).await {
        rest = rest.args(["--skip", "wrangler_dev"]);
        cx.warn("not run, for want of a system that runs workerd: tests with wrangler_dev in their names");
    }
    rest.run().await?;
    for (what, tests) in &missing {
        cx.warn(format!("not run, for want of {what}: tests with {} in their names", tests.join(", ")));
    }
    if !missing.is_empty() && cx.env().flag(CI) {
        return Err(
            Error::not_found("not every test was run").hint("install what is named above; CI skips nothing")
        );
    }
    Ok(())
}

/// `ci`: formatting, lints with every feature and with none, documentation, then `test`.
///
/// # Errors
/// `Failed` at the first step that finds something.
pub(crate) async fn ci(cx: Cx) -> Result<()> {
    cargo(&cx, &["fmt", "--all", "--check"]).run().await?;
    cargo(&cx, &["clippy", "--package", "infra-sdk", "--all-targets", "--", "--deny", "warnings"])
        .run()
        .await?;
    cargo(&cx, &["clippy", "--workspace", "--all-targets", "--all-features", "--", "--deny", "warnings"])
        .run()
        .await?;
    cargo(&cx, &["doc", "--package", "infra-sdk", "--no-deps", "--all-features"])
        .env("RUSTDOCFLAGS", "--deny warnings")
        .run()
        .await?;
    test(cx).await
}

/// Fetches what tests run against and benches compare with, for those who want it before they are offline.
///
/// # Errors
/// As [`provision::counterparts`].
pub(crate) async fn provision(cx: Cx) -> Result<()> {
    provision::counterparts(&cx).await?;
    provision::peers(&cx).await?;
    cx.say("what tests and benches need is in target/tools");
    Ok(())
}

/// cargo as a person would call it: without what the run of this task has set.
fn cargo(cx: &Cx, args: &[&str]) -> Cmd {
    cx.cmd("cargo").args(args).env_remove("CARGO_MANIFEST_DIR")
}
