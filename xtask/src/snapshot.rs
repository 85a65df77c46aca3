//! The SDK as a git repository with a tag: this repo's origin, or a snapshot of the working tree.

use std::fmt;
use std::path::{Path, PathBuf};

use infra_sdk::{Error, Result, ResultExt};
use xshell::{Shell, cmd};

/// Where a new repo gets the SDK from.
#[derive(Clone, Debug)]
pub(crate) struct Pin {
    /// The URL that goes into the manifest.
    pub(crate) git: String,
    /// The tag that goes into the manifest.
    pub(crate) tag: String,
    /// Why this one was chosen.
    pub(crate) why: Why,
}

/// Why a pin was chosen.
#[derive(Clone, Debug)]
pub(crate) enum Why {
    /// The flags said so.
    Asked,
    /// They did, and git could not look for the tag, for this reason.
    Unseen(String),
    /// The origin of this checkout carries the tag of this version.
    Origin,
    /// It does not, so the working tree was committed to a repository beside it.
    Snapshot,
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match &self.why {
            Why::Asked => "as asked",
            Why::Unseen(why) => &format!("as asked; whether it has the tag could not be seen: {why}"),
            Why::Origin => "this repo's origin carries the tag",
            Why::Snapshot => "a snapshot of this working tree, because its origin does not carry the tag",
        };
        write!(f, "infra-sdk {} from {} ({why})", self.tag, self.git)
    }
}

/// The tag of this version.
pub(crate) fn tag() -> String {
    format!("v{}", env!("CARGO_PKG_VERSION"))
}

/// Chooses the pin for a new repo: the origin where it carries the tag, else a snapshot under `home`.
///
/// # Errors
/// `Failed` when git fails.
pub(crate) fn pin(root: &Path, home: &Path) -> Result<Pin> {
    let tag = tag();
    if let Some(origin) = origin(root)?
        && tags(root, &origin)?.is_ok_and(|tags| tags.contains(&tag))
    {
        return Ok(Pin { git: origin, tag, why: Why::Origin });
    }
    snapshot(root, home)
}

/// The pin that somebody asked for in the folder `from`, of which this version's tag and this repo's origin may be left out.
///
/// # Errors
/// `NotFound` when there is no such tag, or no origin. Where nobody answers the pin says so.
pub(crate) fn asked(root: &Path, from: &Path, git: Option<String>, wanted: Option<String>) -> Result<Pin> {
    let wanted = wanted.unwrap_or_else(tag);
    let git = match git {
        // As cargo wants it: a path is from where it was written.
        Some(git) => as_url(from, &git).unwrap_or(git),
        None => origin(root)?.ok_or_else(|| {
            Error::not_found("this checkout has no origin").hint("say where the SDK is with --sdk-git URL")
        })?,
    };
    let tags = match tags(root, &git)? {
        Ok(tags) => tags,
        Err(why) => return Ok(Pin { git, tag: wanted, why: Why::Unseen(why) }),
    };
    if tags.contains(&wanted) {
        return Ok(Pin { git, tag: wanted, why: Why::Asked });
    }
    let newest: Vec<&str> = tags.iter().take(5).map(String::as_str).collect();
    let error = Error::not_found(format!("there is no tag `{wanted}`")).with("from", &git);
    Err(match newest.is_empty() {
        true => error.hint("it has no tags yet: make one, or pin this working tree with --sdk-snapshot"),
        false => error.hint(format!("take one of its tags, such as {}", newest.join(", "))),
    })
}

/// The origin of this checkout, if it has one.
fn origin(root: &Path) -> Result<Option<String>> {
    let shell = Shell::new().context("start a shell")?;
    shell.change_dir(root);
    let origin = cmd!(shell, "git remote get-url origin").quiet().ignore_stderr().read();
    Ok(origin.ok().and_then(|origin| as_url(root, origin.trim())))
}

/// The tags there, the newest version first; what git says where it cannot tell.
fn tags(root: &Path, git: &str) -> Result<std::result::Result<Vec<String>, String>> {
    let shell = Shell::new().context("start a shell")?;
    shell.change_dir(root);
    // Nobody is asked for a password, and who does not answer is not waited for.
    let listed = cmd!(shell, "git -c http.lowSpeedLimit=1 -c http.lowSpeedTime=10")
        .args(["ls-remote", "--sort=-v:refname", "--tags", "--refs", "--", git])
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes -oConnectTimeout=10")
        .quiet()
        .ignore_status()
        .output()
        .context("start git")?;
    if !listed.status.success() {
        let said = String::from_utf8_lossy(&listed.stderr);
        let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
        return Ok(Err(last.unwrap_or("git says nothing").to_owned()));
    }
    let text = String::from_utf8_lossy(&listed.stdout);
    let name = |line: &str| line.split_once("refs/tags/").map(|(_, tag)| tag.to_owned());
    Ok(Ok(text.lines().filter_map(name).collect()))
}

/// A pin to the working tree as it is now, committed and tagged in a repository under `home`.
///
/// # Errors
/// `Failed` when git fails.
pub(crate) fn snapshot(root: &Path, home: &Path) -> Result<Pin> {
    let git = take(root, &home.join("snapshots/infra-sdk.git"))?;
    Ok(Pin { git, tag: tag(), why: Why::Snapshot })
}

/// A remote as cargo wants it in a manifest: always a URL. git also takes paths and `user@host:path`.
fn as_url(root: &Path, remote: &str) -> Option<String> {
    if remote.contains("://") {
        return Some(remote.to_owned());
    }
    let path = root.join(remote);
    if path.exists() {
        return Some(format!("file://{}", path.canonicalize().ok()?.display()));
    }
    let (host, path) = remote.split_once(':')?;
    Some(format!("ssh://{host}/{}", path.trim_start_matches('/')))
}

/// Commits the working tree (without what git ignores) to the bare repository at `bare`, tagged with
/// the version; the same tree gives the same commit, so nothing is built again. Returns its URL.
///
/// # Errors
/// `Failed` when git fails.
pub(crate) fn take(root: &Path, bare: &PathBuf) -> Result<String> {
    let shell = Shell::new().context("start a shell")?;
    shell.change_dir(root);
    let failed = "take a snapshot of the working tree";
    let index = std::env::temp_dir().join(format!("infra-sdk-index-{}", infra_sdk::id::short()?));
    let _remove = RemoveFile(index.clone());
    cmd!(shell, "git add --all")
        .env("GIT_INDEX_FILE", &index)
        .quiet()
        .ignore_stderr()
        .run()
        .context(failed)?;
    let tree = cmd!(shell, "git write-tree").env("GIT_INDEX_FILE", &index).quiet().read().context(failed)?;
    let message = format!("infra-sdk {}", tag());
    let mut commit = cmd!(shell, "git commit-tree {tree} -m {message}").quiet();
    for who in ["AUTHOR", "COMMITTER"] {
        commit = commit
            .env(format!("GIT_{who}_NAME"), "infra-sdk")
            .env(format!("GIT_{who}_EMAIL"), "infra-sdk@localhost")
            .env(format!("GIT_{who}_DATE"), "2000-01-01T00:00:00Z");
    }
    let commit = commit.read().context(failed)?;
    if !bare.join("HEAD").exists() {
        cmd!(shell, "git init --quiet --bare --initial-branch main {bare}").quiet().run().context(failed)?;
    }
    let (branch, tag) = (format!("+{commit}:refs/heads/main"), format!("+{commit}:refs/tags/{}", tag()));
    cmd!(shell, "git push --quiet {bare} {branch} {tag}").quiet().run().context(failed)?;
    Ok(format!("file://{}", bare.display()))
}

struct RemoveFile(PathBuf);

impl Drop for RemoveFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_remote_becomes_a_url() {
        let root = Path::new("/");
        let url = |remote: &str| as_url(root, remote);
        assert_eq!(url("https://git.example/a/b").as_deref(), Some("https://git.example/a/b"));
        assert_eq!(url("git@git.example:a/b.git").as_deref(), Some("ssh://git@git.example/a/b.git"));
        assert_eq!(url("/").as_deref(), Some("file:///"));
        assert_eq!(url("no-such-folder"), None);
    }
}
