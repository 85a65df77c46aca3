//! `infra.lock`: what `infra.toml` asked for by name, and exactly what it got.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::document;
use crate::config::extends::is_commit;
use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::file::{self, Access};
use crate::names::Label;
use crate::tree::{ReadOptions, read, refused};

const NAME: &str = "infra.lock";
const HEAD: &str =
    "# Written by infra-sdk: what infra.toml names, and exactly what was found. Commit this file.\n\n";

/// The lock file of a repo; it stands beside `infra.toml` and is committed with it.
#[derive(Clone, Debug)]
pub struct Lock {
    file: PathBuf,
    content: Content,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    extends: Option<LockedExtends>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tools: BTreeMap<Label, BTreeMap<String, LockedTool>>,
}

/// `[extends]`: the commit a tag stood for, and the file it held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedExtends {
    /// The repo, as `infra.toml` names it.
    pub git: String,
    /// The tag, as `infra.toml` names it.
    pub tag: String,
    /// The commit the tag pointed at.
    pub commit: String,
    /// The file, as `infra.toml` names it.
    pub path: String,
    /// The file's digest.
    pub sha256: Digest,
}

/// `[tools.NAME.PLATFORM]`: the archive of one tool for one platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct LockedTool {
    version: String,
    sha256: Digest,
}

impl Lock {
    /// Reads the lock of the repo at `root`; empty when there is none yet.
    ///
    /// # Errors
    /// `Invalid` with line and column when it is damaged; `Denied` or `Io` when it cannot be read.
    pub fn load(root: &Path) -> Result<Self> {
        let file = root.join(NAME);
        let damaged =
            |error: Error| error.hint("restore infra.lock from git, or remove it to resolve everything anew");
        let content = match document::read(&file, NAME).map_err(damaged)? {
            None => Content::default(),
            Some(tree) => read(&tree, ReadOptions::default())
                .map_err(|problems| damaged(refused("infra.lock is damaged", &problems)))?,
        };
        if content.extends.as_ref().is_some_and(|locked| !is_commit(&locked.commit)) {
            return Err(damaged(Error::invalid("infra.lock holds a commit that is not one")));
        }
        Ok(Lock { file, content })
    }

    /// What `extends` stood for.
    pub fn extends(&self) -> Option<&LockedExtends> {
        self.content.extends.as_ref()
    }

    /// Notes what `extends` stands for; [`save`](Lock::save) writes it.
    pub fn set_extends(&mut self, locked: LockedExtends) {
        self.content.extends = Some(locked);
    }

    /// The digest of a tool's archive for a platform such as `linux_amd64`, if it is known for this version.
    pub fn tool(&self, name: &Label, version: &str, platform: &str) -> Option<&Digest> {
        let tool = self.content.tools.get(name)?.get(platform)?;
        (tool.version == version).then_some(&tool.sha256)
    }

    /// Notes the digest of a tool's archive; [`save`](Lock::save) writes it. Digests of other versions are dropped.
    pub fn set_tool(&mut self, name: &Label, version: &str, platform: &str, sha256: Digest) {
        let platforms = self.content.tools.entry(name.clone()).or_default();
        platforms.retain(|_, tool| tool.version == version);
        platforms.insert(platform.to_owned(), LockedTool { version: version.to_owned(), sha256 });
    }

    /// Writes the lock, whole or not at all; a file that says the same already is left alone.
    ///
    /// # Errors
    /// `Denied` or `Io`, with the path.
    pub fn save(&self) -> Result<()> {
        let content = toml::to_string(&self.content)
            .map_err(|error| Error::new(ErrorKind::Bug, "serialise infra.lock").because(error))?;
        let text = format!("{HEAD}{content}");
        if file::read(&self.file, document::MAX_BYTES)
            .is_ok_and(|old| old.as_deref() == Some(text.as_bytes()))
        {
            return Ok(());
        }
        file::write(&self.file, text.as_bytes(), Access::Shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> PathBuf {
        let path = std::env::temp_dir().join(format!("infra-sdk-lock-{}", crate::id::short().unwrap()));
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn what_is_locked_reads_back_and_a_new_version_forgets_the_old_digests() {
        let root = scratch();
        let name = Label::new("terraform").unwrap();
        let mut lock = Lock::load(&root).unwrap();
        lock.set_tool(&name, "1.9.8", "linux_amd64", Digest::of(b"a"));
        lock.set_tool(&name, "1.9.8", "darwin_arm64", Digest::of(b"b"));
        lock.save().unwrap();
        let mut lock = Lock::load(&root).unwrap();
        assert_eq!(lock.tool(&name, "1.9.8", "linux_amd64"), Some(&Digest::of(b"a")));
        assert_eq!(lock.tool(&name, "1.9.9", "linux_amd64"), None);
        lock.set_tool(&name, "1.9.9", "linux_amd64", Digest::of(b"c"));
        lock.save().unwrap();
        let text = std::fs::read_to_string(root.join(NAME)).unwrap();
        assert!(
            text.starts_with("# Written by infra-sdk") && text.contains("[tools.terraform.linux_amd64]"),
            "{text}"
        );
        assert!(!text.contains("darwin"), "{text}");
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_damaged_lock_names_the_place_and_the_way_out() {
        let root = scratch();
        std::fs::write(root.join(NAME), "[tools.terraform.linux_amd64]\nversion = 1\n").unwrap();
        let report = Lock::load(&root).unwrap_err().report().to_string();
        assert!(
            report.contains("infra.lock:2:1: `tools.terraform.linux_amd64.version` must be a text"),
            "{report}"
        );
        assert!(
            report.contains("infra.lock:1:1: `tools.terraform.linux_amd64.sha256` is missing")
                || report.contains("sha256` is missing"),
            "{report}"
        );
        assert!(report.contains("restore infra.lock"), "{report}");
        std::fs::write(root.join(NAME), "<<<<<<< ours\n").unwrap();
        assert!(Lock::load(&root).unwrap_err().report().to_string().contains("restore infra.lock"));
        std::fs::remove_dir_all(root).unwrap();
    }
}
