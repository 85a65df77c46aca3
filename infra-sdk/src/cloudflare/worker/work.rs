//! Private folders for what wrangler is given and what it writes, gone when they are no longer needed.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::file::{self, Access};

/// How such folders begin.
const PREFIX: &str = "work-";

/// How the settings begin that stand beside the repo's own while wrangler reads them.
const SETTINGS: &str = ".infra-wrangler-";

/// A folder that only its owner can read, removed when dropped.
#[derive(Debug)]
pub(super) struct Work(PathBuf);

impl Work {
    /// A new one below `folder`.
    pub(super) fn new(folder: &Path) -> Result<Self> {
        let path = folder.join(format!("{PREFIX}{}", crate::id::short()?));
        file::make_dir(&path, Access::Private)?;
        Ok(Work(path))
    }

    /// A path in it.
    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file in it, readable by its owner only.
    pub(super) fn write(&self, name: &str, content: &[u8]) -> Result<PathBuf> {
        let path = self.join(name);
        file::write(&path, content, Access::Private)?;
        Ok(path)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next rollout.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Settings beside the repo's own, so that every path in them means the same; removed when dropped.
#[derive(Debug)]
pub(super) struct Beside(PathBuf);

impl Beside {
    /// Writes `content` beside the file at `original`.
    pub(super) fn write(original: &Path, content: &[u8]) -> Result<Self> {
        let path = original.with_file_name(format!("{SETTINGS}{}.json", crate::id::short()?));
        // Should writing it fail in the middle, the drop removes what is there.
        let beside = Beside(path);
        file::write_new(&beside.0, content, Access::Private)?;
        Ok(beside)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Removes what killed rollouts left below `folder` and beside the settings at `original`. Only for who holds the claim.
pub(super) fn tidy(folder: &Path, original: &Path) {
    let beside = original.parent().into_iter().map(|parent| (parent, SETTINGS));
    for (place, prefix) in beside.chain([(folder, PREFIX)]) {
        for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                // What cannot be removed costs only its place.
                let _ = std::fs::remove_dir_all(entry.path()).or_else(|_| std::fs::remove_file(entry.path()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_whether_it_ended_well_or_was_killed() {
        let folder = std::env::temp_dir().join(format!("infra-sdk-work-{}", crate::id::short().unwrap()));
        let original = folder.join("wrangler.toml");
        let (work, beside) = (Work::new(&folder).unwrap(), Beside::write(&original, b"{}").unwrap());
        work.write("secrets.json", b"{}").unwrap();
        std::mem::forget((Work::new(&folder).unwrap(), Beside::write(&original, b"{}").unwrap()));
        drop((work, beside));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
        tidy(&folder, &original);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        std::fs::remove_dir(&folder).unwrap();
    }
}
