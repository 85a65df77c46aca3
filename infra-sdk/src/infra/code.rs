//! Which commit of the repo is at work, and its files at another one.

use std::path::{Path, PathBuf};

use crate::config::parse_toml;
use crate::error::{Error, Result, ResultExt};
use crate::file::{self, Access, FileLock, failed};
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

impl Commit {
    /// The id, where no file differed from it.
    pub(super) fn exact(&self) -> Option<&str> {
        (!self.dirty).then_some(self.id.as_str())
    }
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
    // Tells others that the folder is in use, also when this process is killed.
    _lock: FileLock,
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
        let _ = std::fs::remove_file(lock_of(&self.folder));
    }
}

/// How the names of such folders begin.
const CODE: &str = "code-";

fn lock_of(folder: &Path) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

/// Removes the folders of runs that were killed: variables that were taken along may be secrets.
fn sweep(place: &Path) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(place) else { return Ok(()) };
    for folder in entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()) {
        let is_code = folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with(CODE));
        // Whoever still works with it holds its lock.
        if is_code && let Some(_lock) = FileLock::try_acquire(&lock_of(&folder))? {
            std::fs::remove_dir_all(&folder)
                .map_err(|error| failed("remove the code of a killed run", &folder, error))?;
            let _ = std::fs::remove_file(lock_of(&folder));
        }
    }
    Ok(())
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
        sweep(place)?;
        let folder = place.join(format!("{CODE}{}", crate::id::short()?));
        let lock = FileLock::acquire(&lock_of(&folder))?;
        file::make_dir(&folder, Access::Private)?;
        let files = folder.join("files");
        let code = Code { root: files.join(prefix.trim()), folder, id: id.to_owned(), _lock: lock };
        // Not by `git archive`, which leaves out or rewrites what the repo's attributes say.
        let index = code.folder.join("index");
        let with_index = |args: &[&str]| self.git(args).dir(&top).env("GIT_INDEX_FILE", &index);
        with_index(&["read-tree", id]).run().await.context("read the files of a commit")?;
        let prefix = format!("--prefix={}/", files.display());
        let written = with_index(&["checkout-index", "--all", "--quiet", &prefix]).run().await;
        written.context("write the files of a commit")?;
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
            let then = root.join(dir).join(name);
            // What git held then is what was applied then.
            if then.exists() {
                continue;
            }
            let content = file::read(&here.join(name), 16_000_000)?.unwrap_or_default();
            file::write(&then, &content, Access::Private)?;
            taken.push(format!("{dir}/{name}"));
        }
        Ok(taken)
    }

    pub(super) fn git(&self, args: &[&str]) -> Cmd {
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
