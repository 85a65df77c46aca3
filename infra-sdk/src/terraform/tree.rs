//! The working copy in which Terraform runs: the repo's files by link, and the generated backend block beside them.
//!
//! Terraform takes its backend only from a block in the code, and that block cannot hold what differs between
//! environments. Writing it into the user's folder would leave a file behind whenever a run is
//! killed, and two environments would fight over it. A `-backend-config` file does not help: without a block in the
//! code Terraform warns, and then keeps its state in the folder. So it runs in a copy made of links, one folder
//! level after the other from the repo's root down to the stack: `../modules/vpc`, `file("../../config.json")` and
//! links in the repo mean the same files as before, nothing is copied, and a change in the code is seen at once.
//! The only file that comes back is `.terraform.lock.hcl`, which belongs into git.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result, ResultExt};
use crate::file::{self, Access, failed};
use crate::names::quoted;
use crate::state::BackendSettings;
use crate::terraform::backend;

const LOCK_FILE: &str = ".terraform.lock.hcl";
const LOCK_LIMIT: u64 = 8_000_000;

/// A working copy, made anew for every run.
#[derive(Debug)]
pub(super) struct Tree {
    /// The stack's folder in the repo.
    code: PathBuf,
    /// The folder in the working copy that stands for it.
    folder: PathBuf,
}

impl Tree {
    /// Links the repo into `work`, which is emptied first, and writes the backend block into it.
    ///
    /// # Errors
    /// `Invalid` when `dir` is no folder of the repo, holds no code, says itself where its state is kept or holds a
    /// state file; `Io` or `Denied` when the files cannot be linked.
    pub(super) fn make(repo: &Path, dir: &str, work: &Path, settings: &BackendSettings) -> Result<Self> {
        let (repo, inside) = locate(repo, dir)?;
        let code = repo.join(&inside);
        refuse_strangers(&code)?;
        backend::check(&code, &settings.kind)?;
        if work.exists() {
            fs::remove_dir_all(work).map_err(|error| failed("empty a folder", work, error))?;
        }
        file::make_dir(work, Access::Private)?;
        let (mut from, mut to) = (repo, work.to_path_buf());
        for level in inside.components() {
            link_all(&from, &to, |name| name == level.as_os_str())?;
            from.push(level);
            to.push(level);
            file::make_dir(&to, Access::Private)?;
        }
        link_all(&from, &to, |name| name == ".terraform" || name == LOCK_FILE)?;
        let tree = Tree { code, folder: to };
        if let Some(lock) = file::read(&tree.code.join(LOCK_FILE), LOCK_LIMIT)? {
            file::write(&tree.folder.join(LOCK_FILE), &lock, Access::Private)?;
        }
        file::write_json(&tree.folder.join(backend::FILE), &backend::block(settings), Access::Private)?;
        Ok(tree)
    }

    /// The folder to run in.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Brings a changed `.terraform.lock.hcl` back to the repo.
    pub(super) fn keep_lock_file(&self) -> Result<()> {
        let theirs = file::read(&self.folder.join(LOCK_FILE), LOCK_LIMIT)?;
        let place = self.code.join(LOCK_FILE);
        match theirs {
            Some(lock) if file::read(&place, LOCK_LIMIT)?.as_ref() != Some(&lock) => {
                file::write(&place, &lock, Access::Shared)
            }
            _ => Ok(()),
        }
    }
}

/// The repo and the stack's folder in it, both without links on the way.
fn locate(repo: &Path, dir: &str) -> Result<(PathBuf, PathBuf)> {
    let plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    let refuse = |why: &str| {
        Error::invalid(format!("the folder {} of a stack {why}", quoted(dir)))
            .with("repo", repo.display())
            .hint("set `dir` of the stack in infra.toml to a folder of Terraform code, relative to the repo")
    };
    if !Path::new(dir).components().all(plain) {
        return Err(refuse("leaves the repo"));
    }
    let root = repo.canonicalize().map_err(|error| failed("open the repo", repo, error))?;
    let code = root.join(dir).canonicalize().map_err(|error| refuse("is not there").because(error))?;
    let inside = code.strip_prefix(&root).map_err(|_| refuse("leaves the repo"))?.to_path_buf();
    if !code.is_dir() {
        return Err(refuse("is a file"));
    }
    Ok((root, inside))
}

/// Refuses what would make Terraform do something else than the code says.
fn refuse_strangers(code: &Path) -> Result<()> {
    let names: Vec<String> = fs::read_dir(code)
        .map_err(|error| failed("read a folder", code, error))?
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .collect();
    let is_code =
        |name: &String| [".tf", ".tf.json", ".tofu", ".tofu.json"].iter().any(|end| name.ends_with(end));
    if !names.iter().any(is_code) {
        return Err(Error::invalid("the folder of a stack holds no Terraform code")
            .with("path", code.display())
            .hint("write a `main.tf` there, or correct `dir` of the stack in infra.toml"));
    }
    if let Some(name) = names.iter().find(|name| *name == "terraform.tfstate") {
        return Err(Error::invalid("a state file lies beside the code of a stack")
            .with("path", code.join(name).display())
            .hint("a plan would not know of it and create everything again: move its content with `terraform state push`, or remove the file if nothing of it exists"));
    }
    if names.iter().any(|name| name == backend::FILE) {
        return Err(Error::invalid("the code of a stack has a file whose name is taken")
            .with("path", code.join(backend::FILE).display())
            .hint("remove it: the backend block is generated outside the repo"));
    }
    Ok(())
}

fn link_all(from: &Path, to: &Path, skip: impl Fn(&std::ffi::OsStr) -> bool) -> Result<()> {
    let fail = |error| failed("read a folder", from, error);
    for entry in fs::read_dir(from).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        if skip(&entry.file_name()) {
            continue;
        }
        link(&entry.path(), &to.join(entry.file_name()))
            .context(format!("link {}", entry.path().display()))
            .map_err(|error| error.hint("check that the data folder allows links and has room"))?;
    }
    Ok(())
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(from, to)
}

#[cfg(windows)]
fn link(from: &Path, to: &Path) -> std::io::Result<()> {
    if from.is_dir() {
        std::os::windows::fs::symlink_dir(from, to)
    } else {
        std::os::windows::fs::symlink_file(from, to)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn repo(files: &[(&str, &str)]) -> PathBuf {
        let repo = std::env::temp_dir().join(format!("infra-sdk-tree-{}", crate::id::short().unwrap()));
        for (name, content) in files {
            file::write(&repo.join(name), content.as_bytes(), Access::Shared).unwrap();
        }
        repo
    }

    fn make(repo: &Path, dir: &str) -> Result<Tree> {
        let settings = BackendSettings::new("local", BTreeMap::new());
        Tree::make(repo, dir, &repo.join("data/work"), &settings)
    }

    #[test]
    fn relative_paths_out_of_the_stack_mean_the_same_files() {
        let repo = repo(&[("tf/net/main.tf", ""), ("tf/modules/a/a.tf", "a"), ("top.json", "t")]);
        let tree = make(&repo, "tf/net").unwrap();
        assert_eq!(fs::read_to_string(tree.folder().join("../modules/a/a.tf")).unwrap(), "a");
        assert_eq!(fs::read_to_string(tree.folder().join("../../top.json")).unwrap(), "t");
        assert!(
            !repo.join("tf/net").join(backend::FILE).exists() && tree.folder().join(backend::FILE).exists()
        );
        make(&repo, "./tf/net").unwrap();
        fs::remove_dir_all(repo).unwrap();
    }

    #[test]
    fn only_the_lock_file_comes_back() {
        let repo = repo(&[("main.tf", ""), (LOCK_FILE, "old")]);
        let tree = make(&repo, ".").unwrap();
        assert_eq!(fs::read_to_string(tree.folder().join(LOCK_FILE)).unwrap(), "old");
        fs::write(tree.folder().join(LOCK_FILE), "new").unwrap();
        tree.keep_lock_file().unwrap();
        assert_eq!(fs::read_to_string(repo.join(LOCK_FILE)).unwrap(), "new");
        fs::remove_dir_all(repo).unwrap();
    }

    #[test]
    fn a_folder_that_is_no_stack_is_refused_with_the_reason() {
        let repo = repo(&[("a/x.txt", ""), ("b/main.tf", ""), ("b/terraform.tfstate", "{}"), ("c.tf", "")]);
        for (dir, why) in [
            ("../b", "leaves the repo"),
            ("/etc", "leaves the repo"),
            ("nope", "is not there"),
            ("c.tf", "is a file"),
            ("a", "no Terraform code"),
            ("b", "state file"),
        ] {
            let error = make(&repo, dir).unwrap_err();
            assert!(error.to_string().contains(why) && !error.hints().is_empty(), "{dir}: {error}");
        }
        fs::remove_dir_all(repo).unwrap();
    }
}
