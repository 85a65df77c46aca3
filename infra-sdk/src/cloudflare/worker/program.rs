//! wrangler itself: where it is, which version the repo pins, and that it is that one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::env::{Env, INFRA_AGE_KEY};
use crate::error::{Error, ErrorKind, Result};
use crate::file;
use crate::mask::Masks;
use crate::names::quoted;
use crate::process::Cmd;

/// How long it may take to say its version: node reads 15 MB for it.
const ASKING: Duration = Duration::from_secs(60);

/// Where npm notes what it installed.
const LOCK: &str = "package-lock.json";
const LOCK_LIMIT: u64 = 100_000_000;

const NAME: &str = if cfg!(windows) { "wrangler.cmd" } else { "wrangler" };

/// wrangler in the version that the repo pins.
#[derive(Clone, Debug)]
pub(super) struct Wrangler {
    pub(super) path: PathBuf,
    pub(super) version: String,
}

impl Wrangler {
    /// Finds the one of the repo at `root`, or the one on `PATH`, and asks it for its version: exactly `pinned` from
    /// `[tools.wrangler]`, or what `package-lock.json` says.
    ///
    /// # Errors
    /// `NotFound` without a wrangler; `Invalid` when nothing pins it; `Conflict` when it is of another version, with both;
    /// `Failed` when it does not say.
    pub(super) async fn find(env: &Env, root: &Path, settings: &Path, pinned: Option<&str>) -> Result<Self> {
        let version = match pinned {
            Some(version) => version.to_owned(),
            None => locked(root, settings)?,
        };
        let path = installed(root, settings).or_else(|| env.which("wrangler")).ok_or_else(|| {
            Error::not_found("wrangler is not there")
                .with("wanted", &version)
                .hint("install it with `npm ci` in this repo, or put it on PATH")
        })?;
        let found = says(&path, env, root).await?;
        if found != version {
            return Err(Error::new(ErrorKind::Conflict, "wrangler is of another version than the repo pins")
                .with("wanted", &version)
                .with("found", quoted(&found))
                .with("path", path.display())
                .hint(
                    "run `npm ci`, or pin the other one: `version` under `[tools.wrangler]` in infra.toml",
                ));
        }
        Ok(Wrangler { path, version })
    }
}

/// The folders from that of the settings up to the root of the repo.
fn folders<'a>(root: &'a Path, settings: &'a Path) -> impl Iterator<Item = &'a Path> {
    let inside = settings.ancestors().skip(1).take_while(move |folder| folder.starts_with(root));
    inside.filter(move |folder| *folder != root).chain([root])
}

/// The one that npm put into the repo.
fn installed(root: &Path, settings: &Path) -> Option<PathBuf> {
    folders(root, settings)
        .map(|folder| folder.join("node_modules/.bin").join(NAME))
        .find(|path| path.is_file())
}

/// The version that `package-lock.json` pins.
fn locked(root: &Path, settings: &Path) -> Result<String> {
    for path in folders(root, settings).map(|folder| folder.join(LOCK)) {
        let Some(text) = file::read(&path, LOCK_LIMIT)? else { continue };
        let lock: Value = serde_json::from_slice(&text).map_err(|error| {
            Error::invalid("what npm installed cannot be read")
                .with("path", path.display())
                .because(error)
                .hint("write it anew with `npm install`")
        })?;
        let version =
            lock.get("packages").and_then(|packages| packages.get("node_modules/wrangler")?.get("version"));
        if let Some(version) = version.and_then(Value::as_str) {
            return Ok(version.to_owned());
        }
    }
    Err(Error::invalid("nothing says which version of wrangler this repo uses")
        .with("root", root.display())
        .hint("add `[tools.wrangler]` with its `version` to infra.toml, or `npm install --save-dev --save-exact wrangler`"))
}

/// What it says of itself.
async fn says(path: &Path, env: &Env, root: &Path) -> Result<String> {
    let asked = environment(Cmd::new(path), env).arg("--version").dir(root).deadline(ASKING).output().await?;
    let version = asked.stdout.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    let version = version.rsplit(' ').next().unwrap_or_default();
    if asked.success() && version.starts_with(|c: char| c.is_ascii_digit()) && version.len() <= 40 {
        return Ok(version.to_owned());
    }
    let error =
        Error::new(ErrorKind::Failed, "wrangler does not say its version").with("path", path.display());
    Err(last_lines(error, &asked.stderr, &Masks::new())
        .hint("run it by hand with `--version`; wrangler 4 needs Node 22 or newer"))
}

/// The environment that wrangler runs in: this one without what would choose an account, a section or a log of its own.
pub(super) fn environment(cmd: Cmd, env: &Env) -> Cmd {
    let chooses =
        |name: &str| ["CLOUDFLARE_", "CF_", "WRANGLER_"].iter().any(|start| name.starts_with(start));
    let kept = env.vars().filter(|(name, _)| {
        let name = name.to_string_lossy();
        !chooses(&name) && name != INFRA_AGE_KEY
    });
    let cmd = kept.fold(cmd.env_clear(), |cmd, (name, value)| cmd.env(name, value));
    cmd.env("CI", "1")
        .env("NO_COLOR", "1")
        .env("WRANGLER_SEND_METRICS", "false")
        .env("WRANGLER_SEND_ERROR_REPORTS", "false")
        .env("WRANGLER_HIDE_BANNER", "true")
}

/// Adds the last lines a program printed, for people; nothing is decided by them.
pub(super) fn last_lines(error: Error, printed: &str, masks: &Masks) -> Error {
    let masked = masks.apply(printed);
    let lines: Vec<&str> = masked.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let last: Vec<String> = lines[lines.len().saturating_sub(12)..]
        .iter()
        .map(|line| without_colours(line).chars().filter(|c| !c.is_control()).take(300).collect())
        .collect();
    if last.is_empty() { error } else { error.because(format!("it printed last\n{}", last.join("\n"))) }
}

/// wrangler colours what it says of failures, whatever it is told.
fn without_colours(line: &str) -> String {
    let mut pieces = line.split("\u{1b}[");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| {
        let end = piece.find(|c: char| c.is_ascii_alphabetic()).map_or(piece.len(), |end| end + 1);
        text + &piece[end..]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_have_no_colours_and_no_values() {
        let masks = Masks::new();
        masks.add(&crate::secret::SecretValue::new("canary"));
        let printed = "first\n\n\u{1b}[31m✘ [\u{1b}[41;97mERROR\u{1b}[0m] canary\u{1b}[\n";
        let error = last_lines(Error::invalid("x"), printed, &masks);
        let report = error.report().to_string();
        assert!(report.contains("first") && report.contains("✘ [ERROR] *"), "{report}");
        assert!(!report.contains("canary") && !report.contains("31m"), "{report}");
    }

    #[test]
    fn what_is_pinned_is_read_from_the_nearest_lock() {
        let root = std::env::temp_dir().join(format!("infra-sdk-pins-{}", crate::id::short().unwrap()));
        let settings = root.join("web/wrangler.jsonc");
        assert!(!locked(&root, &settings).unwrap_err().hints().is_empty());
        let lock = |version: &str| {
            format!("{{\"packages\":{{\"node_modules/wrangler\":{{\"version\":\"{version}\"}}}}}}")
        };
        file::write(&root.join(LOCK), lock("4.1.0").as_bytes(), file::Access::Shared).unwrap();
        assert_eq!(locked(&root, &settings).unwrap(), "4.1.0");
        file::write(&root.join("web").join(LOCK), lock("4.2.0").as_bytes(), file::Access::Shared).unwrap();
        assert_eq!(locked(&root, &settings).unwrap(), "4.2.0");
        file::write(&root.join("web").join(LOCK), b"{", file::Access::Shared).unwrap();
        assert!(!locked(&root, &settings).unwrap_err().hints().is_empty());
        std::fs::remove_dir_all(&root).unwrap();
    }
}
