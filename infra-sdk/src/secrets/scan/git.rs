//! The git repo that is searched, and the way its commands are run.

use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::process::Cmd;

/// A git repo.
pub(super) struct Git<'a> {
    start: &'a (dyn Fn(&Path) -> Cmd + Sync),
    /// The folder commands run in: the root of the working folder, or of the bare repo.
    folder: PathBuf,
    /// Whether it has no files of its own.
    pub(super) bare: bool,
}

impl<'a> Git<'a> {
    /// The repo around `root`.
    pub(super) async fn at(root: &Path, start: &'a (dyn Fn(&Path) -> Cmd + Sync)) -> Result<Self> {
        let mut git = Git { start, folder: root.to_owned(), bare: true };
        let inside =
            git.cmd(&["rev-parse", "--is-inside-work-tree"]).output().await.map_err(not_installed)?;
        if !inside.success() {
            return Err(not_a_repo(root, &inside.stderr));
        }
        if inside.stdout.trim() == "true" {
            git.folder = git.path(&["rev-parse", "--show-toplevel"]).await?;
            git.bare = false;
        }
        Ok(git)
    }

    /// The root of the working folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A git command that asks nobody, changes nothing by the way, and says what it says in one language.
    pub(super) fn cmd(&self, args: &[&str]) -> Cmd {
        let mut cmd = (self.start)(Path::new("git")).quiet().args(SETTINGS).args(args).dir(&self.folder);
        for (name, value) in [
            ("LC_ALL", "C"),
            ("GIT_OPTIONAL_LOCKS", "0"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_NO_REPLACE_OBJECTS", "1"),
        ] {
            cmd = cmd.env(name, value);
        }
        // Set inside a git hook, maybe one of another repo. The index stays: a commit of some files only has its own.
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY"] {
            cmd = cmd.env_remove(name);
        }
        cmd
    }

    /// What a command prints, as bytes: names of files need not be text.
    pub(super) async fn bytes(&self, args: &[&str]) -> Result<Vec<u8>> {
        let push = |all: &mut Vec<u8>, piece: &[u8]| all.extend_from_slice(piece);
        self.cmd(args).fold(Vec::new(), push).await.context(format!("ask git for `{}`", args[0]))
    }

    /// A path a command prints.
    pub(super) async fn path(&self, args: &[&str]) -> Result<PathBuf> {
        let mut bytes = self.bytes(args).await?;
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        Ok(self.folder.join(path_of(&bytes)))
    }

    /// A setting, with the scope it is made in; `None` when it is not made.
    pub(super) async fn setting(&self, name: &str) -> Result<Option<String>> {
        let asked =
            self.cmd(&["config", "--show-scope", "--get", name]).output().await.map_err(not_installed)?;
        Ok(asked.success().then(|| asked.stdout.trim().to_owned()))
    }

    /// Refuses a clone that lacks a part of the history.
    pub(super) async fn require_whole_history(&self) -> Result<()> {
        let shallow = self.cmd(&["rev-parse", "--is-shallow-repository"]).read().await?;
        let refuse =
            |what: &str, hint: &str| Err(Error::invalid(what).with("repo", self.folder.display()).hint(hint));
        if shallow == "true" {
            return refuse(
                "this clone has only the end of the history",
                "fetch the rest with `git fetch --unshallow`, or check out with `fetch-depth: 0`",
            );
        }
        let partial = ["config", "--get-regexp", r"^(remote\..*\.promisor|extensions\.partialclone)$"];
        if self.cmd(&partial).output().await?.success() {
            return refuse(
                "this clone lacks files of the history",
                "scan in a clone made without `--filter`",
            );
        }
        Ok(())
    }
}

/// Settings of a person that would change what commands print.
const SETTINGS: [&str; 8] = [
    "-c",
    "core.fsmonitor=false",
    "-c",
    "log.showSignature=false",
    "-c",
    "log.showRoot=true",
    "-c",
    "color.ui=false",
];

/// A path from the bytes git gives.
pub(super) fn path_of(bytes: &[u8]) -> PathBuf {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
    }
    #[cfg(not(unix))]
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

fn not_installed(error: Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => Error::not_found("git cannot be run here").because(error).hint("install git"),
        _ => error,
    }
}

fn not_a_repo(root: &Path, said: &str) -> Error {
    let error = Error::invalid("this is not a git repo").with("folder", root.display());
    if said.contains("not a git repository") {
        return error.hint("run it inside a git repo, or make one with `git init`");
    }
    Error::new(ErrorKind::Failed, "git cannot read this repo")
        .with("folder", root.display())
        .because(said.trim().to_owned())
        .hint("do what git says")
}
