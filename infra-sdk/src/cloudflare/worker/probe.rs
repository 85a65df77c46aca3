//! Asking a Worker how it is: the health path, answered by the very version that is meant.

use std::time::Duration;

use crate::error::Result;
use crate::http::answer::one_line;
use crate::http::{Api, Auth, Method, Path};

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(15);

/// The most characters of an answer that are shown.
const SHOWN: usize = 200;

/// Chooses the version that answers, among those that get requests
/// (<https://developers.cloudflare.com/workers/configuration/versions-and-deployments/gradual-deployments/#version-overrides>).
const OVERRIDE: &str = "cloudflare-workers-version-overrides";

/// Asks the version `id` of the Worker at `url` for its health; `None` when it is well, or what it answered.
///
/// # Errors
/// `Invalid` for an address or a path that cannot be asked.
pub(super) async fn ask(url: &str, script: &str, id: &str, health: &str) -> Result<Option<String>> {
    let api = Api::new("the Worker", url, Auth::Nobody, &[])?.timeout(ANSWER);
    let (path, query) = health.split_once('?').unwrap_or((health, ""));
    let call = api.call(Method::Get, &Path::as_written(path)).query_as_written(query);
    let call = call.header(OVERRIDE, format!("{script}=\"{id}\""));
    let answer = match call.ask().await {
        Ok(answer) if (200..300).contains(&answer.status()) => return Ok(None),
        Ok(answer) => answer,
        // Nobody answers there yet, or not in time.
        Err(error) if error.is_retryable() => return Ok(Some(format!("{health}: {error}"))),
        Err(error) => return Err(error),
    };
    let said = answer.text(SHOWN);
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    Ok(Some(format!("{health} answered {}{}", answer.status(), one_line(&said, SHOWN + 2))))
}
