//! Which commit of the repo is at work, and its files at another one.

use std::path::{Path, PathBuf};

use crate::config::parse_toml;
use crate::error::{Error, Result, ResultExt};
use crate::file::{self, Access};
use crate::infra::open::Infra;
use crate::names::{Label, quoted};
use crate::process::Cmd;
use crate::tree::Value;

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
    /// The whole id of the commit, whatever name it was asked for by.
    pub(super) id: String,
    /// The folder that stands for the one `infra.toml` is in.
    pub(super) root: PathBuf,
}

impl Code {
    /// The folder that the stack had then.
    ///
    /// # Errors
    /// `Invalid` when `infra.toml` of then cannot be read or names no such stack.
    pub(super) fn stack_dir(&self, stack: &Label) -> Result<String> {
        let text = file::read_text(&self.root.join("infra.toml"), 1_000_000)?.unwrap_or_default();
        let settings = parse_toml(&text, "infra.toml of that commit")?;
        let dir = settings
            .get("stack")
            .and_then(|stacks| stacks.get(stack.as_str()))
            .and_then(|stack| stack.get("dir"));
        match dir.map(|dir| &dir.value) {
            Some(Value::Text(dir)) => Ok(dir.clone()),
            _ => {
                Err(Error::invalid(format!("infra.toml of that commit has no stack `{stack}` with a folder"))
                    .hint("name a commit in which the stack was there with `--commit`"))
            }
        }
    }
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
        let code = Code { root: folder.join(prefix.trim()), folder, id: id.to_owned() };
        tar::Archive::new(&*tar).unpack(&code.folder).context("unpack the files of a commit")?;
        Ok(code)
    }

    /// Copies the variable files of a stack that git does not hold: an apply of the checkout would read them, too.
    pub(super) async fn take_variables_along(&self, dir: &str, root: &Path) -> Result<Vec<String>> {
        let here = self.config().root().join(dir);
        if !here.is_dir() {
            return Ok(Vec::new());
        }
        let listed = self.git(&["ls-files", "--others", "-z", "--", "."]).dir(&here).read().await?;
        let is_read = |name: &&str| {
            ["terraform.tfvars", "terraform.tfvars.json"].contains(name)
                || name.ends_with(".auto.tfvars")
                || name.ends_with(".auto.tfvars.json")
        };
        let mut taken = Vec::new();
        for name in listed.split('\0').filter(is_read) {
            let content = file::read(&here.join(name), 16_000_000)?.unwrap_or_default();
            file::write(&root.join(dir).join(name), &content, Access::Private)?;
            taken.push(format!("{dir}/{name}"));
        }
        Ok(taken)
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
