//! Private folders for what wrangler is given and what it writes, gone when they are no longer needed.
//!
//! Several runs share the places where they stand: other environments of the repo, and a bundle that is made without a claim.
//! So whoever has something there holds a shared lock of the place, which the system frees when a process is killed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::Result;
use crate::file::{self, Access};
use crate::process::marked;

/// How such folders begin.
const PREFIX: &str = "work-";

/// How the settings begin that stand beside the repo's own while wrangler reads them.
const SETTINGS: &str = ".infra-wrangler-";

/// The variable by which wrangler is told where to write its records: a file in such a folder, so that it is known by it.
pub(super) const RECORDS: &str = "WRANGLER_OUTPUT_FILE_PATH";

/// No run of wrangler takes this long, whatever its deadline.
const OLD: Duration = Duration::from_secs(24 * 60 * 60);

/// A folder that only its owner can read, removed when dropped.
#[derive(Debug)]
pub(super) struct Work(PathBuf, #[expect(dead_code, reason = "held for its drop")] InUse);

impl Work {
    /// A new one below `folder`.
    pub(super) fn new(folder: &Path) -> Result<Self> {
        file::make_dir(folder, Access::Private)?;
        let in_use = InUse::of(folder);
        let path = folder.join(format!("{PREFIX}{}", crate::id::short()?));
        file::make_dir(&path, Access::Private)?;
        Ok(Work(path, in_use))
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
pub(super) struct Beside(PathBuf, #[expect(dead_code, reason = "held for its drop")] InUse);

impl Beside {
    /// Writes `content` beside the file at `original`.
    pub(super) fn write(original: &Path, content: &[u8]) -> Result<Self> {
        let in_use = InUse::of(original.parent().unwrap_or(Path::new(".")));
        let path = original.with_file_name(format!("{SETTINGS}{}.json", crate::id::short()?));
        // Should writing it fail in the middle, the drop removes what is there.
        let beside = Beside(path, in_use);
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

/// A shared lock of a folder, held until dropped. Where the system locks no folders it is none, and what lies there is only
/// removed when it is [old](OLD).
#[derive(Debug)]
struct InUse(#[expect(dead_code, reason = "held for its drop")] Option<File>);

impl InUse {
    fn of(folder: &Path) -> Self {
        let locked = File::open(folder).and_then(|folder| folder.lock_shared().map(|()| folder));
        InUse(locked.ok())
    }
}

/// Ends a wrangler that a killed run left at work below `folder`: its upload would come after those of this run, and the one that
/// makes a Worker takes all requests. Nothing is ended while another run is at work there. How many there were.
///
/// # Errors
/// `Unavailable` when one does not even end when killed.
pub(super) async fn end_left(folder: &Path) -> Result<usize> {
    let alone = File::open(folder).ok().filter(|place| place.try_lock().is_ok());
    let Some((_alone, ours)) = alone.zip(folder.join(PREFIX).to_str().map(str::to_owned)) else {
        return Ok(0);
    };
    marked::end(RECORDS, |path| path.starts_with(&ours), Duration::ZERO).await
}

/// Removes what killed runs left below `folder` and beside the settings at `original`, and nothing that another run may be
/// using: while one is at work there, only what is old.
pub(super) fn tidy(folder: &Path, original: &Path) {
    let beside = original.parent().into_iter().map(|parent| (parent, SETTINGS));
    for (place, prefix) in beside.chain([(folder, PREFIX)]) {
        // Held until everything is looked at: who comes meanwhile waits.
        let alone = File::open(place).ok().filter(|place| place.try_lock().is_ok());
        for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
            let is_old = || {
                let changed = entry.metadata().and_then(|metadata| metadata.modified());
                changed.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > OLD))
            };
            if entry.file_name().to_string_lossy().starts_with(prefix) && (alone.is_some() || is_old()) {
                // What cannot be removed costs only its place.
                let _ = std::fs::remove_dir_all(entry.path()).or_else(|_| std::fs::remove_file(entry.path()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::SystemTime;

    use super::*;

    fn folder() -> PathBuf {
        let folder = std::env::temp_dir().join(format!("infra-sdk-work-{}", crate::id::short().unwrap()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn count(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    /// What a run leaves that was killed: the system has freed its locks.
    fn killed(folder: &Path) -> [PathBuf; 2] {
        let (work, beside) =
            (folder.join(format!("{PREFIX}killed")), folder.join(format!("{SETTINGS}killed.json")));
        fs::create_dir(&work).unwrap();
        fs::write(work.join("secrets.json"), b"{}").unwrap();
        fs::write(&beside, b"{}").unwrap();
        [work, beside]
    }

    #[test]
    fn nothing_is_left_whether_it_ended_well_or_was_killed() {
        let folder = folder();
        let original = folder.join("wrangler.toml");
        let (work, beside) = (Work::new(&folder).unwrap(), Beside::write(&original, b"{}").unwrap());
        work.write("secrets.json", b"{}").unwrap();
        killed(&folder);
        drop((work, beside));
        assert_eq!(count(&folder), 2);
        tidy(&folder, &original);
        assert_eq!(count(&folder), 0);
        fs::remove_dir(&folder).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn what_another_run_is_using_stays_and_so_does_what_stands_beside_it_until_it_is_old() {
        let folder = folder();
        let original = folder.join("wrangler.toml");
        let (work, beside) = (Work::new(&folder).unwrap(), Beside::write(&original, b"{}").unwrap());
        let [left, settings] = killed(&folder);
        tidy(&folder, &original);
        assert_eq!(count(&folder), 4);
        File::options()
            .write(true)
            .open(&settings)
            .unwrap()
            .set_modified(SystemTime::now() - 2 * OLD)
            .unwrap();
        tidy(&folder, &original);
        assert!(left.exists() && !settings.exists() && beside.path().exists());
        drop((work, beside));
        tidy(&folder, &original);
        assert_eq!(count(&folder), 0);
        fs::remove_dir(&folder).unwrap();
    }
}
