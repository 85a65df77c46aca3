//! Files that are whole or not there: write beside, sync, rename; private where they hold secrets.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind, Result};

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// As the umask says.
    Shared,
    /// Only the owner: mode 0600, folders 0700.
    Private,
}

/// An error of the file system with its path, and a hint where a person can do something about it.
pub(crate) fn failed(what: &str, path: &Path, error: std::io::Error) -> Error {
    use std::io::ErrorKind as Io;
    let hint = match error.kind() {
        Io::PermissionDenied | Io::ReadOnlyFilesystem => {
            "make the folder writable for this user; if it is below INFRA_HOME, that may also point elsewhere"
        }
        Io::NotADirectory | Io::AlreadyExists => {
            "a file stands where a folder should be: move it away, or point INFRA_HOME elsewhere"
        }
        Io::StorageFull | Io::QuotaExceeded => "make room on that disk, then run the same command again",
        _ => "",
    };
    let error = Error::new(Error::from(std::io::Error::from(error.kind())).kind(), what.to_owned())
        .with("path", path.display())
        .because(error);
    if hint.is_empty() { error } else { error.hint(hint) }
}

/// The same for a file of a person's own, which is read and never written.
pub(crate) fn unreadable(what: &str, path: &Path, error: std::io::Error) -> Error {
    if error.kind() != std::io::ErrorKind::PermissionDenied {
        return failed(what, path, error);
    }
    Error::new(ErrorKind::Denied, what.to_owned())
        .with("path", path.display())
        .because(error)
        .hint("let this user read it, for example with `chmod u+r`, or leave it out")
}

/// Makes a folder and its parents.
///
/// # Errors
/// `Denied` or `Io`, with the path.
pub fn make_dir(path: &Path, access: Access) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    if access == Access::Private {
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    }
    #[cfg(not(unix))]
    let _ = access;
    builder.create(path).map_err(|error| failed("make a folder", path, error))
}

/// Replaces `path` by `content` in one step: a reader sees the old file or the new one.
///
/// # Errors
/// `Denied` or `Io`, with the path; the old file is then unchanged.
pub fn write(path: &Path, content: &[u8], access: Access) -> Result<()> {
    filled(path, content, access)?.persist(path)?;
    sync_dir(parent(path));
    Ok(())
}

/// Replaces `path` as [`write()`] does, and keeps who may read it; a new file is as the umask says.
///
/// # Errors
/// As [`write()`].
pub fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let temporary = filled(path, content, Access::Shared)?;
    if let Ok(meta) = fs::metadata(path) {
        let kept = temporary.file.set_permissions(meta.permissions());
        kept.map_err(|error| failed("keep the mode of a file", path, error))?;
    }
    temporary.persist(path)?;
    sync_dir(parent(path));
    Ok(())
}

/// Writes a file that is not there yet, in one step, and never over another one.
///
/// # Errors
/// `Conflict` when something stands there; `Denied` or `Io` otherwise, with the path.
pub fn write_new(path: &Path, content: &[u8], access: Access) -> Result<()> {
    filled(path, content, access)?.persist_new(path)?;
    sync_dir(parent(path));
    Ok(())
}

/// Adds to the end of a file that others write to as well, such as those of a CI system.
///
/// # Errors
/// `Denied` or `Io`, with the path.
pub fn append(path: &Path, content: &[u8]) -> Result<()> {
    let mut options = fs::OpenOptions::new();
    let open = options.append(true).create(true).open(path);
    open.and_then(|mut file| std::io::Write::write_all(&mut file, content))
        .map_err(|error| failed("add to a file", path, error))
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A temporary file beside `path` that holds `content` for good.
fn filled(path: &Path, content: &[u8], access: Access) -> Result<Temporary> {
    make_dir(parent(path), access)?;
    let mut temporary = Temporary::beside(path, access)?;
    let finish = |file: &mut File| {
        file.write_all(content)?;
        file.sync_all()
    };
    finish(&mut temporary.file).map_err(|error| failed("write a file", path, error))?;
    Ok(temporary)
}

/// A file being written; removed when dropped unless it was persisted.
#[derive(Debug)]
pub struct Temporary {
    /// The open file.
    pub file: File,
    path: PathBuf,
    done: bool,
}

impl Temporary {
    /// A new empty file in the folder of `path`, which must exist.
    ///
    /// # Errors
    /// `Denied` or `Io`, with the path.
    pub fn beside(path: &Path, access: Access) -> Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = path.with_file_name(format!(".{name}.{}.tmp", crate::id::short()?));
        let mut options = OpenOptions::new();
        options.write(true).read(true).create_new(true);
        #[cfg(unix)]
        if access == Access::Private {
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        }
        #[cfg(not(unix))]
        let _ = access;
        let file = options.open(&temporary).map_err(|error| failed("create a file", path, error))?;
        Ok(Temporary { file, path: temporary, done: false })
    }

    /// Where it stands until then.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves the file to its place, replacing what stands there.
    ///
    /// # Errors
    /// `Denied` or `Io`, with the path.
    pub fn persist(mut self, path: &Path) -> Result<()> {
        fs::rename(&self.path, path).map_err(|error| failed("replace a file", path, error))?;
        self.done = true;
        Ok(())
    }

    /// Moves the file to its place, unless something stands there.
    ///
    /// # Errors
    /// `Conflict` when something stands there; `Denied` or `Io` otherwise, with the path.
    pub fn persist_new(self, path: &Path) -> Result<()> {
        let exists = || {
            Error::new(ErrorKind::Conflict, "a file stands there already")
                .with("path", path.display())
                .hint("name another file, or move that one away")
        };
        let is_there = |error: &std::io::Error| error.kind() == std::io::ErrorKind::AlreadyExists;
        // A second name for the file is given only if it is free. The first one goes with the drop.
        match fs::hard_link(&self.path, path) {
            Ok(()) => return Ok(()),
            Err(error) if is_there(&error) => return Err(exists()),
            // Sticks and some networks know no second names: there an empty file takes the place first.
            Err(_) => {}
        }
        match OpenOptions::new().write(true).create_new(true).open(path) {
            Ok(_) => self.persist(path),
            Err(error) if is_there(&error) => Err(exists()),
            Err(error) => Err(failed("create a file", path, error)),
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.done {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes the temporary files that killed processes left in a folder. Only for a caller that holds the lock
/// all writers of this folder take: else one of them may be at work.
pub(crate) fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') && name.ends_with(".tmp") {
            // What cannot be removed costs only its place.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The same for a folder whose writers take no lock: what nobody has touched for a day is nobody's work any more.
pub(crate) fn sweep_old(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let touched = entry.metadata().and_then(|meta| meta.modified()).ok();
        let is_old = touched.and_then(|time| time.elapsed().ok()).is_some_and(|age| age > ABANDONED);
        if name.starts_with('.') && name.ends_with(".tmp") && is_old {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// After how long a temporary file counts as left by a process that was killed.
const ABANDONED: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// Whether users other than the owner may read a file.
pub(crate) fn is_open_to_others(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

/// Makes the renames in a folder durable.
pub(crate) fn sync_dir(path: &Path) {
    // A rename is durable only once its folder is: Linux and macOS allow opening one, Windows does not need it.
    if cfg!(unix)
        && let Ok(folder) = File::open(path)
    {
        let _ = folder.sync_all();
    }
}

/// Reads a whole file of at most `limit` bytes; `None` when it is not there.
///
/// # Errors
/// `Invalid` when it is larger; `Denied` or `Io` otherwise, with the path.
pub fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    // Opening a pipe would wait for somebody to write into it.
    if fs::metadata(path).is_ok_and(|meta| !meta.is_file()) {
        return Err(Error::invalid("what stands there is not a file")
            .with("path", path.display())
            .hint("put a regular file in its place"));
    }
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read a file", path, error)),
    };
    let mut content = Vec::new();
    file.take(limit + 1).read_to_end(&mut content).map_err(|error| failed("read a file", path, error))?;
    if content.len() as u64 > limit {
        return Err(Error::invalid(format!("file is larger than {} KB", limit / 1000))
            .with("path", path.display())
            .hint("check that this is the file you meant"));
    }
    Ok(Some(content))
}

/// Reads a UTF-8 text file of at most `limit` bytes; `None` when it is not there.
///
/// # Errors
/// As [`read`], and `Invalid` with line and column of the first byte that is not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> Result<Option<String>> {
    let Some(content) = read(path, limit)? else { return Ok(None) };
    String::from_utf8(content).map(Some).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = good.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        Error::invalid("file is not UTF-8 text")
            .with("path", format_args!("{}:{line}:{column}", path.display()))
            .hint("save it as UTF-8")
    })
}

/// Reads a JSON file this crate wrote; `None` when it is not there.
///
/// # Errors
/// `Invalid` when it does not parse, with the place; `Denied` or `Io` otherwise.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let Some(content) = read(path, 64_000_000)? else { return Ok(None) };
    serde_json::from_slice(&content).map(Some).map_err(|error| {
        Error::invalid("file is damaged")
            .with("path", format_args!("{}:{}:{}", path.display(), error.line(), error.column()))
            .hint("restore it from a backup, or remove it to start afresh")
    })
}

/// Writes a value as indented JSON, whole or not at all.
///
/// # Errors
/// As [`write()`].
pub fn write_json<T: Serialize + ?Sized>(path: &Path, value: &T, access: Access) -> Result<()> {
    let mut content = serde_json::to_vec_pretty(value)
        .map_err(|error| Error::new(ErrorKind::Bug, "serialise a file").because(error))?;
    content.push(b'\n');
    write(path, &content, access)
}

/// Opens a file to read it and to add to its end, with its folders.
pub(crate) fn open_append(path: &Path, access: Access) -> Result<File> {
    if let Some(parent) = path.parent() {
        make_dir(parent, access)?;
    }
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    if access == Access::Private {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    options.open(path).map_err(|error| failed("append to a file", path, error))
}

pub(crate) fn cut_broken_end(file: &mut File) -> std::io::Result<()> {
    use std::io::{Seek, SeekFrom};
    let length = file.seek(SeekFrom::End(0))?;
    let mut end = length;
    let mut byte = [0];
    while end > 0 {
        file.seek(SeekFrom::Start(end - 1))?;
        file.read_exact(&mut byte)?;
        if byte[0] == b'\n' {
            break;
        }
        end -= 1;
    }
    if end < length { file.set_len(end) } else { Ok(()) }
}

/// An exclusive lock between processes, held until dropped; the system frees it when a process dies.
#[derive(Debug)]
pub struct FileLock(#[expect(dead_code, reason = "held for its drop")] File);

impl FileLock {
    /// Waits for the lock on `path`, a file of its own that is never removed.
    ///
    /// # Errors
    /// `Denied` or `Io`, with the path.
    pub fn acquire(path: &Path) -> Result<Self> {
        let file = Self::open(path)?;
        file.lock().map_err(|error| failed("lock a file", path, error))?;
        Ok(FileLock(file))
    }

    /// Takes the lock on `path` if nobody holds it.
    ///
    /// # Errors
    /// `Denied` or `Io`, with the path.
    pub fn try_acquire(path: &Path) -> Result<Option<Self>> {
        let file = Self::open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(FileLock(file))),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(failed("lock a file", path, error)),
        }
    }

    fn open(path: &Path) -> Result<File> {
        if let Some(parent) = path.parent() {
            make_dir(parent, Access::Private)?;
        }
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .map_err(|error| failed("open a lock file", path, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> PathBuf {
        let path = std::env::temp_dir().join(format!("infra-sdk-file-{}", crate::id::short().unwrap()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_folder_that_cannot_be_made_says_what_to_do() {
        let folder = scratch();
        fs::write(folder.join("file"), "").unwrap();
        for path in ["file", "file/below/it"] {
            let error = make_dir(&folder.join(path), Access::Private).unwrap_err();
            assert!(error.hints()[0].contains("INFRA_HOME"), "{}", error.report());
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_replaced_file_leaves_nothing_beside_it_and_is_private_when_asked() {
        let folder = scratch();
        let path = folder.join("a/value");
        write(&path, b"one", Access::Private).unwrap();
        write(&path, b"two", Access::Private).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_new_file_never_takes_the_place_of_another() {
        let folder = scratch();
        let path = folder.join("a/value");
        write_new(&path, b"one", Access::Private).unwrap();
        let error = write_new(&path, b"two", Access::Private).unwrap_err();
        assert_eq!((error.kind(), fs::read(&path).unwrap()), (ErrorKind::Conflict, b"one".to_vec()));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(), 0o600);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            replace(&path, b"three").unwrap();
            assert_eq!((mode(), fs::read(&path).unwrap()), (0o640, b"three".to_vec()));
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn too_large_and_not_text_are_told_apart_with_the_place() {
        let folder = scratch();
        let path = folder.join("x");
        fs::write(&path, b"ok\nab\xff").unwrap();
        assert!(read(&path, 3).unwrap_err().to_string().contains("larger"));
        assert!(read_text(&path, 99).unwrap_err().to_string().contains("x:2:3"));
        assert!(read(&folder.join("none"), 3).unwrap().is_none());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_lock_is_held_by_one_at_a_time() {
        let folder = scratch();
        let path = folder.join("lock");
        let held = FileLock::acquire(&path).unwrap();
        assert!(FileLock::try_acquire(&path).unwrap().is_none());
        drop(held);
        assert!(FileLock::try_acquire(&path).unwrap().is_some());
        fs::remove_dir_all(folder).unwrap();
    }
}
