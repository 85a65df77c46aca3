//! `infra:secrets:lint`: lines of `.env` that other programs read differently.

use crate::app::{Cx, Pack, TaskRef};
use crate::error::{Error, Result};

pub(super) fn register(pack: &mut Pack<'_>) -> TaskRef<()> {
    pack.task("secrets:lint")
        .about("Show lines of .env that other programs read differently")
        .read_only()
        .run(lint)
}

async fn lint(cx: Cx) -> Result<()> {
    let infra = cx.infra().await?;
    let (report, tracked) = (infra.lint_secrets()?, infra.tracked_secret_files().await?);
    cx.report(&report);
    if !tracked.is_empty() {
        return Err(Error::invalid("git tracks files of secrets, so their values are in its history")
            .with("files", tracked.join(", "))
            .hint(format!(
                "run `git rm --cached {}`, commit, and give each value a new one",
                tracked.join(" ")
            )));
    }
    if report.is_clean() {
        return Ok(());
    }
    Err(Error::invalid("other programs read these lines of `.env` differently")
        .with("places", report.findings.len() + report.refused.len())
        .hint("change each line as it says above; `infra:*` tasks read the value as it stands"))
}
