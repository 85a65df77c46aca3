//! Programs that keep passwords for Docker: `docker-credential-NAME get`, the registry on standard input.

use std::time::Duration;

use serde::Deserialize;

use crate::env::Env;
use crate::error::{Error, ErrorKind, Result};
use crate::names::quoted;
use crate::process::Cmd;
use crate::registry::credentials::Login;
use crate::secret::SecretValue;

/// How long one may take: it may have to ask a service for a token.
const WHOLE: Duration = Duration::from_secs(60);

/// [What it answers](https://github.com/docker/docker-credential-helpers#development).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: SecretValue,
}

/// Asks the program `name` for what it keeps for `server`; `None` when that is nothing.
pub(super) async fn ask(env: &Env, name: &str, server: &str) -> Result<Option<Login>> {
    let part = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !name.chars().all(part) {
        return Err(Error::invalid(format!("{} cannot be a helper for passwords", quoted(name)))
            .hint("correct `credsStore` or `credHelpers` in Docker's config.json"));
    }
    let program = format!("docker-credential-{name}");
    let Some(path) = env.which(&program) else {
        return Err(Error::not_found(format!("{program} is not on PATH"))
            .with("registry", server)
            .hint("install it, or correct `credsStore` or `credHelpers` in Docker's config.json"));
    };
    let finished = Cmd::new(path).arg("get").stdin(server).own_masks().deadline(WHOLE).output().await?;
    if !finished.success() {
        // It tells on standard output, and has only words for it.
        if finished.stdout.contains("credentials not found") {
            return Ok(None);
        }
        return Err(Error::new(ErrorKind::Failed, format!("{program} gives no password"))
            .with("registry", server)
            .with("code", finished.code.map_or("none".to_owned(), |code| code.to_string()))
            .hint(format!("run `echo {server} | {program} get` and correct what it says")));
    }
    // The cause might repeat a part of the answer, which is a password.
    let answer: Answer = serde_json::from_str(&finished.stdout).map_err(|_| {
        Error::invalid(format!("{program} gives an answer that cannot be read"))
            .with("registry", server)
            .hint("update it, or log in again with `docker login`")
    })?;
    Ok(Some(Login::new(answer.username, answer.secret)))
}
