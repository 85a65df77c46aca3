//! Asking a git repo elsewhere for a tag and one file, without ever asking the person.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::document::MAX_BYTES;
use crate::config::extends::{Extends, is_commit};
use crate::error::{Error, ErrorKind, Result};
use crate::file::{self, Access};
use crate::names::nearest;
use crate::process::Cmd;

/// How long a question about tags may take; a laptop without network must not wait longer.
const ASK: Duration = Duration::from_secs(10);
/// How long one commit of a repo may take to arrive.
const FETCH: Duration = Duration::from_secs(120);

/// The commit a tag points at, as the remote says now.
///
/// # Errors
/// `NotFound` with the nearest tags when there is no such tag, `Unavailable` when the remote does not answer.
pub(crate) async fn commit_of_tag(extends: &Extends) -> Result<String> {
    let full = format!("refs/tags/{}", extends.tag);
    let peeled = format!("{full}^{{}}");
    let listed = ask(extends, &["ls-remote", "--", &extends.git, &full, &peeled]).await?;
    let commit = |name: &str| {
        let line = |line: &str| {
            line.split_once('\t').filter(|(_, found)| *found == name).map(|(id, _)| id.to_owned())
        };
        listed.lines().find_map(line)
    };
    // An annotated tag is an object of its own; its commit stands behind `^{}`.
    if let Some(commit) = commit(&peeled).or_else(|| commit(&full)) {
        if is_commit(&commit) {
            return Ok(commit);
        }
        return Err(Error::invalid("the remote names a commit that is not one")
            .hint("check the address in `extends.git`"));
    }
    let all = ask(extends, &["ls-remote", "--tags", "--refs", "--", &extends.git]).await?;
    let tags: Vec<&str> =
        all.lines().filter_map(|line| line.split_once("\trefs/tags/")).map(|(_, tag)| tag).collect();
    let error = Error::not_found(format!("there is no tag `{}`", extends.tag)).with("git", &extends.git);
    Err(match nearest_three(&extends.tag, &tags) {
        near if near.is_empty() => error.hint("push a tag to that repo, then name it in `extends.tag`"),
        near => error.hint(format!("did you mean one of its tags {}?", near.join(", "))),
    })
}

fn nearest_three(tag: &str, tags: &[&str]) -> Vec<String> {
    let mut left = tags.to_vec();
    let mut near = Vec::new();
    while near.len() < 3 {
        // Without one that is close, the last ones are better than none.
        let Some(next) = nearest(tag, left.iter().copied()).or(left.last().copied()) else { break };
        near.push(format!("`{next}`"));
        left.retain(|tag| *tag != next);
    }
    near
}

/// The text of the file at a commit. `scratch` is a folder for the time of the fetch.
///
/// # Errors
/// `NotFound` when the commit has no such file, `Invalid` when it is too large or not text, `Unavailable` when the remote does
/// not answer or no longer has the commit.
pub(crate) async fn file_at(extends: &Extends, commit: &str, scratch: &Path) -> Result<String> {
    let repo = Scratch::new(scratch)?;
    let git = |args: &[&str]| quiet(args).dir(&repo.0).deadline(FETCH);
    git(&["init", "--quiet", "--bare", "--template="])
        .run()
        .await
        .map_err(|error| not_here(error, extends))?;
    let fetch = ["fetch", "--quiet", "--depth=1", "--no-tags", "--", &extends.git];
    if let Err(error) = git(&[&fetch[..], &[commit]].concat()).run().await {
        // Some servers give out tags only; the commit is compared below.
        let tag = format!("refs/tags/{}", extends.tag);
        git(&[&fetch[..], &[&tag]].concat()).run().await.map_err(|_| not_here(error, extends))?;
    }
    let object = format!("{commit}:{}\n", extends.path);
    let about =
        git(&["cat-file", "--batch-check=%(objecttype) %(objectsize)"]).stdin(object.clone()).read().await?;
    let Some(size) = about.strip_prefix("blob ").and_then(|size| size.parse::<u64>().ok()) else {
        return Err(missing_file(extends, commit, git(&["ls-tree", "-r", "--name-only", commit])).await);
    };
    if size > MAX_BYTES {
        return Err(Error::invalid(format!("file is larger than {} KB", MAX_BYTES / 1000))
            .with("file", extends)
            .hint("check that `extends.path` names the file you meant"));
    }
    // The batch form adds a newline of its own, which reading takes off: the text comes out as it is.
    let text = git(&["cat-file", "--batch=content"]).stdin(object).read().await.map_err(|error| {
        Error::invalid("file cannot be read as text")
            .with("file", extends)
            .because(error)
            .hint("save it as UTF-8 under a new tag")
    })?;
    Ok(text.strip_prefix("content\n").unwrap_or(&text).to_owned())
}

async fn missing_file(extends: &Extends, commit: &str, list: Cmd) -> Error {
    let listed = match list.read().await {
        Ok(listed) => listed,
        Err(error) => {
            return Error::new(ErrorKind::Unavailable, "the locked commit is no longer in the remote repo")
                .with("git", &extends.git)
                .with("commit", commit)
                .because(error)
                .hint("name a tag that exists in `extends.tag`");
        }
    };
    let files: Vec<&str> = listed.lines().filter(|file| file.ends_with(".toml")).take(1000).collect();
    let error = Error::not_found(format!("there is no file `{}` at that tag", extends.path))
        .with("git", &extends.git)
        .with("tag", &extends.tag);
    match nearest(&extends.path, files.iter().copied()).or(files.first().copied()) {
        Some(near) => error.hint(format!("did you mean `path = \"{near}\"`?")),
        None => error.hint("add the file to that repo and tag it, or correct `extends.path`"),
    }
}

async fn ask(extends: &Extends, args: &[&str]) -> Result<String> {
    quiet(args)
        .deadline(ASK)
        .grace(Duration::from_secs(1))
        .read()
        .await
        .map_err(|error| not_here(error, extends))
}

/// Git with nothing of the repo around it and no way to ask a person.
fn quiet(args: &[&str]) -> Cmd {
    Cmd::new("git")
        .args(["-c", "protocol.ext.allow=never", "-c", "core.hooksPath=/dev/null"])
        .args(args)
        .env("GIT_TERMINAL_PROMPT", "0")
        // Asked through a program that always says no, git and ssh never open the terminal themselves; ssh keeps
        // whatever command and keys the person has set up.
        .env("GIT_ASKPASS", "false")
        .env("SSH_ASKPASS", "false")
        .env("SSH_ASKPASS_REQUIRE", "force")
        .env("GCM_INTERACTIVE", "never")
        .env("GIT_ALLOW_PROTOCOL", "https:ssh:file")
        .env("LC_ALL", "C")
        // Set inside a git hook; they would point these commands at the hook's repo.
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .env_remove("GIT_OBJECT_DIRECTORY")
        .env_remove("GIT_COMMON_DIR")
}

fn not_here(error: Error, extends: &Extends) -> Error {
    match error.kind() {
        ErrorKind::Cancelled => error,
        ErrorKind::NotFound => Error::not_found("git is not installed, and `extends` needs it")
            .because(error)
            .hint("install git, or remove `extends` from infra.toml"),
        _ => Error::new(ErrorKind::Unavailable, "the repo in `extends` cannot be reached")
            .with("git", &extends.git)
            .because(error)
            .hint("check the network, the address and your access: `git ls-remote` with it must work")
            .retryable(),
    }
}

/// A folder that is removed again.
struct Scratch(PathBuf);

impl Scratch {
    fn new(parent: &Path) -> Result<Self> {
        let path = parent.join(format!(".fetch-{}", crate::id::short()?));
        file::make_dir(&path, Access::Private)?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
