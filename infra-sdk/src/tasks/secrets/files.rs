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
    let report = cx.infra().await?.lint_secrets()?;
    cx.report(&report);
    if report.is_clean() {
        return Ok(());
    }
    Err(Error::invalid("other programs read these lines of `.env` differently")
        .with("places", report.findings.len() + report.refused.len())
        .hint("change each line as it says above; `infra:*` tasks read the value as it stands"))
}
