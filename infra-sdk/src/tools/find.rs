//! Where a program is and which version it has.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use crate::env::Env;
use crate::error::Result;
use crate::process::Cmd;
use crate::tools::release;

/// A program that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// The version it says it has; `unknown` when it does not say.
    pub version: String,
    /// Whether it was put there by [`apply`](super::apply).
    pub installed: bool,
}

/// Finds a program: in the pinned `version` under `home`, else on the `PATH` of `env`, in whatever version.
///
/// # Errors
/// `Invalid` when `version` is none; `Cancelled` or `Unavailable` when the program cannot be asked for its version now.
pub async fn find(name: &str, version: Option<&str>, env: &Env, home: &Path) -> Result<Option<Found>> {
    if let Some(version) = version {
        release::checked_version(name, version)?;
        let path = installed_path(home, name, version);
        if path.is_file() {
            // It was put there whole, under its version, after its digest was checked.
            return Ok(Some(Found { path, version: version.into(), installed: true }));
        }
    }
    let Some(path) = env.which(name) else { return Ok(None) };
    let version = version_of(&path).await;
    Ok(Some(Found { path, version, installed: false }))
}

/// Where an installed program stands.
pub(super) fn installed_path(home: &Path, name: &str, version: &str) -> PathBuf {
    home.join("tools").join(name).join(version).join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

async fn version_of(program: &Path) -> String {
    let asked = Cmd::new(program)
        .arg("--version")
        .env("CHECKPOINT_DISABLE", "1")
        .env_remove("TF_CLI_ARGS")
        .deadline(Duration::from_secs(20))
        .output()
        .await;
    // A program that cannot say its version is as good as one of another version.
    let said = asked.map(|finished| finished.stdout + "\n" + &finished.stderr).unwrap_or_default();
    first_version(&said).unwrap_or_else(|| "unknown".into())
}

/// The first word that looks like a version: `Terraform v1.11.4`, `git version 2.43.0`, `v22.1.0`.
fn first_version(text: &str) -> Option<String> {
    text.split(|c: char| c.is_whitespace() || matches!(c, ',' | '(' | ')' | '"'))
        .map(|word| word.strip_prefix('v').unwrap_or(word))
        .find(|word| {
            let mut parts = word.split('.');
            let number =
                |part: Option<&str>| part.is_some_and(|part| part.starts_with(|c: char| c.is_ascii_digit()));
            number(parts.next()) && number(parts.next())
        })
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_programs_write_them() {
        for (said, version) in [
            ("Terraform v1.11.4\non linux_amd64", "1.11.4"),
            ("OpenTofu v1.10.0-beta1", "1.10.0-beta1"),
            ("git version 2.43.0", "2.43.0"),
            ("cargo 1.88.0 (873a06493 2025-05-10)", "1.88.0"),
        ] {
            assert_eq!(first_version(said).as_deref(), Some(version));
        }
        assert_eq!(first_version("usage: tool [-v]\nsee www.example.org"), None);
    }
}
