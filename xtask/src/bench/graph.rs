//! What the task runtime adds to a task, relayed from `benches/graph.rs`.

use infra_sdk::{Cx, Result};

/// Runs the bench, which fails when a task costs more than is promised.
///
/// # Errors
/// `Failed` when it does not compile or the bound is exceeded.
pub(crate) async fn measure(cx: &Cx) -> Result<()> {
    cx.cmd("cargo")
        .args(["bench", "--package", "infra-sdk-benches", "--bench", "graph"])
        .dir(cx.root())
        .env("CARGO_TERM_COLOR", "never")
        .run()
        .await
}
