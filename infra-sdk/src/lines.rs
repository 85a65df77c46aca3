//! Append-only files of lines, where what is appended may depend on the line before it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::file::{Access, cut_broken_end, failed, open_append};

/// The longest line that is read; ours are far shorter, so a longer one is damage.
const LONGEST: u64 = 4_000_000;

/// A file of lines held under an exclusive lock until dropped.
#[derive(Debug)]
pub struct LineFile {
    file: File,
    path: PathBuf,
}

impl LineFile {
    /// Opens or makes the file, waits for its lock and cuts off a line that a crash left without its end.
    ///
    /// # Errors
    /// `Denied` or `Io`, with the path.
    pub fn lock(path: &Path, access: Access) -> Result<Self> {
        let mut file = open_append(path, access)?;
        file.lock().map_err(|error| failed("lock a file", path, error))?;
        cut_broken_end(&mut file).map_err(|error| failed("repair a file", path, error))?;
        Ok(LineFile { file, path: path.to_owned() })
    }

    /// The last line without its end; `None` in an empty file.
    ///
    /// # Errors
    /// `Invalid` when it is too long to be ours; `Io` otherwise, with the path.
    pub fn last(&mut self) -> Result<Option<Vec<u8>>> {
        let fail = |error| failed("read the end of a file", &self.path, error);
        let length = self.file.seek(SeekFrom::End(0)).map_err(fail)?;
        let mut window = 8_192;
        loop {
            let start = length.saturating_sub(window);
            let mut end = Vec::new();
            self.file.seek(SeekFrom::Start(start)).map_err(fail)?;
            (&self.file).take(length - start).read_to_end(&mut end).map_err(fail)?;
            if end.pop().is_none() {
                return Ok(None);
            }
            if let Some(before) = end.iter().rposition(|byte| *byte == b'\n') {
                return Ok(Some(end.split_off(before + 1)));
            }
            if start == 0 {
                return Ok(Some(end));
            }
            if window > LONGEST {
                return Err(too_long(&self.path, "its last line".into()));
            }
            window *= 4;
        }
    }

    /// Appends one line and syncs it; gives the length of the file after it.
    ///
    /// # Errors
    /// `Denied` or `Io`, with the path; the line is then not there, or cut off by the next lock.
    pub fn append(&mut self, line: &str) -> Result<u64> {
        debug_assert!(!line.contains('\n'));
        let fail = |error| failed("append to a file", &self.path, error);
        self.file.write_all(format!("{line}\n").as_bytes()).map_err(fail)?;
        self.file.sync_data().map_err(fail)?;
        self.file.seek(SeekFrom::End(0)).map_err(fail)
    }
}

/// One line of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// Its bytes without the line end.
    pub bytes: Vec<u8>,
    /// Where the next line starts, in bytes.
    pub end: u64,
}

/// The whole lines of a file from the byte `start` on; none when it is not there.
///
/// A last line without its end is still being written, or was torn by a crash: it is left out.
///
/// # Errors
/// `Invalid` when no line starts at `start`; `Denied` or `Io` otherwise, with the path.
pub fn read(path: &Path, start: u64) -> Result<Lines> {
    let fail = |error| failed("read a file", path, error);
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && start == 0 => {
            return Ok(Lines { reader: None, path: path.to_owned(), end: 0 });
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(no_line(path, start)),
        Err(error) => return Err(fail(error)),
    };
    if start > 0 {
        let mut byte = [0];
        file.seek(SeekFrom::Start(start - 1)).map_err(fail)?;
        if file.read(&mut byte).map_err(fail)? == 0 || byte[0] != b'\n' {
            return Err(no_line(path, start));
        }
    }
    Ok(Lines { reader: Some(BufReader::new(file)), path: path.to_owned(), end: start })
}

fn no_line(path: &Path, start: u64) -> Error {
    Error::invalid("no line starts at this place of the file")
        .with("path", path.display())
        .with("byte", start)
        .hint("read from the beginning: the file was replaced since")
}

fn too_long(path: &Path, which: String) -> Error {
    Error::invalid(format!("{which} has more than {} MB", LONGEST / 1_000_000))
        .with("path", path.display())
        .hint("check that this is the file you meant, or restore it from a backup")
}

/// The lines of a file, one by one; made by [`read`].
#[derive(Debug)]
pub struct Lines {
    reader: Option<BufReader<File>>,
    path: PathBuf,
    end: u64,
}

impl Iterator for Lines {
    type Item = Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut bytes = Vec::new();
        let read = self.reader.as_mut()?.take(LONGEST).read_until(b'\n', &mut bytes);
        match read {
            Err(error) => {
                self.reader = None;
                Some(Err(failed("read a file", &self.path, error)))
            }
            Ok(length) if length as u64 == LONGEST && bytes.last() != Some(&b'\n') => {
                self.reader = None;
                Some(Err(too_long(&self.path, format!("the line at byte {}", self.end))))
            }
            Ok(length) => {
                bytes.pop_if(|byte| *byte == b'\n')?;
                self.end += length as u64;
                Some(Ok(Line { bytes, end: self.end }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> PathBuf {
        std::env::temp_dir().join(format!("infra-sdk-lines-{}", crate::id::short().unwrap()))
    }

    #[test]
    fn the_last_line_is_found_however_long_it_is() {
        let folder = scratch();
        let path = folder.join("log");
        let mut file = LineFile::lock(&path, Access::Private).unwrap();
        assert_eq!(file.last().unwrap(), None);
        for line in ["one".to_owned(), "x".repeat(100_000), "three".to_owned()] {
            file.append(&line).unwrap();
            assert_eq!(file.last().unwrap().unwrap(), line.as_bytes());
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_torn_line_is_not_read_and_is_cut_off_by_the_next_lock() {
        let folder = scratch();
        let path = folder.join("log");
        let end = LineFile::lock(&path, Access::Private).unwrap().append("one").unwrap();
        open_append(&path, Access::Private).unwrap().write_all(b"tor").unwrap();
        let lines: Vec<Line> = read(&path, 0).unwrap().collect::<Result<_>>().unwrap();
        assert_eq!(lines, [Line { bytes: b"one".to_vec(), end }]);
        LineFile::lock(&path, Access::Private).unwrap().append("two").unwrap();
        assert_eq!(read(&path, end).unwrap().next().unwrap().unwrap().bytes, b"two");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_place_inside_a_line_or_past_the_end_is_refused() {
        let folder = scratch();
        let path = folder.join("log");
        LineFile::lock(&path, Access::Private).unwrap().append("one").unwrap();
        assert!(read(&path, 2).is_err() && read(&path, 99).is_err() && read(&path, 4).is_ok());
        assert!(read(&folder.join("none"), 0).unwrap().next().is_none());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
