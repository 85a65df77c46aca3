//! Which commit of the repo is at work, and its files at another one.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result, ResultExt};
use crate::file::{self, Access};
use crate::infra::open::Infra;
use crate::names::quoted;
use crate::process::Cmd;

/// A commit as it is recorded: its id, and whether files differed from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Commit {
    id: String,
    dirty: bool,
}

/// What follows the id of a commit when files differed from it.
pub(super) const DIRTY: &str = "-dirty";

impl std::fmt::Display for Commit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.id, if self.dirty { DIRTY } else { "" })
    }
}

/// The repo's files at one commit, in a folder of their own that is removed when dropped.
#[derive(Debug)]
pub(super) struct Code {
    folder: PathBuf,
    /// The folder that stands for the one `infra.toml` is in.
    pub(super) root: PathBuf,
}

impl Drop for Code {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Infra {
    /// The commit that is checked out; `None` outside of git.
    pub(super) async fn commit(&self) -> Option<Commit> {
        let head = self.git(&["rev-parse", "--verify", "HEAD"]).output().await.ok()?;
        let status = self.git(&["status", "--porcelain", "--", "."]).output().await.ok()?;
        let id = head.stdout.trim().to_owned();
        (head.success() && status.success() && !id.is_empty())
            .then(|| Commit { id, dirty: !status.stdout.trim().is_empty() })
    }

    /// Unpacks the repo's files at `commit` below `place`.
    pub(super) async fn code_at(&self, commit: &str, place: &Path) -> Result<Code> {
        // Never an option, whatever it starts with.
        let named = format!("{commit}^{{commit}}");
        let found = self.git(&["rev-parse", "--verify", "--end-of-options", &named]).output().await?;
        if !found.success() {
            return Err(Error::not_found(format!("the repo has no commit {}", quoted(commit)))
                .with("repo", self.config().root().display())
                .hint("name one that `git log` shows; fetch it first where the clone is a shallow one"));
        }
        let id = found.stdout.trim();
        let prefix = self.git(&["rev-parse", "--show-prefix"]).read().await?;
        let top = self.git(&["rev-parse", "--show-toplevel"]).read().await?;
        let push = |tar: &mut Vec<u8>, piece: &[u8]| tar.extend_from_slice(piece);
        let archive = self.git(&["archive", "--format=tar", id]).dir(&top);
        let tar = archive.fold(Vec::new(), push).await.context("read the files of a commit")?;
        let folder = place.join(format!("code-{}", crate::id::short()?));
        file::make_dir(&folder, Access::Private)?;
        let code = Code { root: folder.join(prefix.trim()), folder };
        tar::Archive::new(&*tar).unpack(&code.folder).context("unpack the files of a commit")?;
        Ok(code)
    }

    fn git(&self, args: &[&str]) -> Cmd {
        let mut cmd = self.host().command("git").args(args).dir(self.config().root()).quiet();
        for (name, value) in [("LC_ALL", "C"), ("GIT_OPTIONAL_LOCKS", "0"), ("GIT_TERMINAL_PROMPT", "0")] {
            cmd = cmd.env(name, value);
        }
        // Set inside a git hook, maybe one of another repo.
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY"] {
            cmd = cmd.env_remove(name);
        }
        cmd
    }
}
