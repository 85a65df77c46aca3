//! The hook that looks for values before each commit.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::file::{self, Access, failed};
use crate::process::Cmd;
use crate::secrets::scan::git::Git;

/// What the hook runs.
const COMMAND: &str = "cargo xtask infra:secrets:scan --staged";
/// By this line a hook is recognised as ours.
const MARK: &str = "# infra-sdk: refuses a commit that holds the value of a secret.";
/// A hook is a short script.
const LIMIT: u64 = 1_000_000;

/// What installing the hook will do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HookPlan {
    /// The file of the hook.
    pub path: PathBuf,
    /// What happens to it, such as `create`; `None` when it is as it should be.
    pub what: Option<&'static str>,
    #[serde(skip)]
    before: Option<String>,
    #[serde(skip)]
    after: String,
}

/// Looks at the hook of the git repo around `root`, the folder with `infra.toml`.
///
/// The place is git's own for this repo, also in a worktree of several, or what the repo sets as `core.hooksPath`.
/// `start` starts git.
///
/// # Errors
/// - `Conflict` when another program's hook stands there, or when the hooks are those of all repos of this person or
///   machine: the hint says which line to add there;
/// - `Invalid` when there is no git repo, or a bare one; `NotFound` without git; `Denied` or `Io`.
pub async fn plan_hook(root: &Path, start: &(dyn Fn(&Path) -> Cmd + Sync)) -> Result<HookPlan> {
    let git = Git::at(root, start).await?;
    if git.bare {
        return Err(Error::invalid("nobody commits in a bare git repo")
            .with("folder", root.display())
            .hint("install the hook in a clone of it"));
    }
    let path = git.path(&["rev-parse", "--git-path", "hooks/pre-commit"]).await?;
    let command = command(git.folder(), root)?;
    let shared = git.setting("core.hooksPath").await?;
    let add = |why: &str| {
        Err(Error::new(ErrorKind::Conflict, why.to_owned())
            .with("path", path.display())
            .hint(format!("add this line to it: {command} || exit 1")))
    };
    let before = file::read_text(&path, LIMIT)?;
    let after = format!("#!/bin/sh\n{MARK}\n{command}\n");
    let calls =
        |text: &str| text.lines().any(|line| !line.trim_start().starts_with('#') && line.contains(COMMAND));
    let what = match &before {
        Some(text) if *text == after || (!is_ours(text) && calls(text)) => {
            (!is_executable(&path)).then_some("make it executable")
        }
        Some(text) if !is_ours(text) => return add("another pre-commit hook stands there"),
        _ if shared.is_some_and(|setting| !is_own(&setting)) => {
            return add("the hooks of this repo are those of all repos here, by `core.hooksPath`");
        }
        Some(_) => Some("update"),
        None => Some("create"),
    };
    let after = before.clone().filter(|text| !is_ours(text)).unwrap_or(after);
    Ok(HookPlan { path, what, before, after })
}

impl HookPlan {
    /// Writes the hook.
    ///
    /// # Errors
    /// `Conflict` when the file changed since the plan; `Denied` or `Io`, with the path.
    pub fn apply(&self) -> Result<()> {
        if self.what.is_none() {
            return Ok(());
        }
        if file::read_text(&self.path, LIMIT)? != self.before {
            return Err(Error::new(ErrorKind::Conflict, "the hook changed in between")
                .with("path", self.path.display())
                .hint("run the same command again"));
        }
        if self.before.as_ref() != Some(&self.after) {
            file::write(&self.path, self.after.as_bytes(), Access::Shared)?;
        }
        make_executable(&self.path)
    }
}

impl fmt::Display for HookPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.what.unwrap_or("nothing to do"))
    }
}

fn is_ours(text: &str) -> bool {
    text.lines().any(|line| line == MARK)
}

/// Whether `SCOPE VALUE` is a setting of this repo alone.
fn is_own(setting: &str) -> bool {
    ["local", "worktree"].iter().any(|scope| setting.split_whitespace().next() == Some(scope))
}

/// The line of the hook: git runs it in the root of the working folder.
fn command(folder: &Path, root: &Path) -> Result<String> {
    let real = |path: &Path| path.canonicalize().map_err(|error| failed("look at a folder", path, error));
    let (folder, root) = (real(folder)?, real(root)?);
    let below = root.strip_prefix(&folder).unwrap_or(Path::new(""));
    if below.as_os_str().is_empty() {
        return Ok(COMMAND.into());
    }
    let Some(below) = below.to_str() else {
        return Err(Error::invalid("the name of a folder is not UTF-8 text")
            .with("folder", below.display())
            .hint("give it another name"));
    };
    Ok(format!("cd -- '{}' && {COMMAND}", below.replace('\'', r"'\''")))
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o100 != 0)
}

#[cfg(unix)]
fn make_executable(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
        .map_err(|error| failed("make a hook executable", path, error))
}

#[cfg(not(unix))]
fn is_executable(_: &Path) -> bool {
    true
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> Result<()> {
    Ok(())
}
