//! What a service printed: two files that grow to a limit in turn.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::process::{LineSink, Stream};

/// The size at which a log is put aside and a new one begun; the one put aside before is lost.
const LIMIT: u64 = 5_000_000;

/// Takes a service's lines, already masked, into `service.log` of its release.
pub(super) struct ServiceLog {
    path: PathBuf,
    limit: u64,
    open: Mutex<Open>,
}

struct Open {
    file: File,
    size: u64,
}

impl ServiceLog {
    pub(super) fn open(release: &Path) -> Result<Self> {
        Self::with_limit(release, LIMIT)
    }

    fn with_limit(release: &Path, limit: u64) -> Result<Self> {
        let path = release.join("service.log");
        let fail = |error| Error::from(error).with("path", path.display());
        let file = append(&path).map_err(fail)?;
        let size = file.metadata().map_err(fail)?.len();
        Ok(ServiceLog { path, limit, open: Mutex::new(Open { file, size }) })
    }

    /// Adds a line of the supervisor's own.
    pub(super) fn note(&self, text: &str) {
        self.write(&format!("[infra] {text}"));
    }

    fn write(&self, line: &str) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // A full disk must not end the service, so what cannot be written is lost.
        if open.size >= self.limit
            && std::fs::rename(&self.path, older(&self.path)).is_ok()
            && let Ok(file) = append(&self.path)
        {
            *open = Open { file, size: 0 };
        }
        let line = format!("{line}\n");
        if open.file.write_all(line.as_bytes()).is_ok() {
            open.size += line.len() as u64;
        }
    }
}

impl LineSink for ServiceLog {
    fn line(&self, _: Stream, line: &str) {
        self.write(line);
    }
}

fn append(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    // Masking knows the secrets it was given; what else a service prints is nobody's business either.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn older(path: &Path) -> PathBuf {
    path.with_extension("log.1")
}

/// The last `lines` lines of a release's log, oldest first.
pub(super) fn tail(release: &Path, lines: usize) -> Result<Vec<String>> {
    let path = release.join("service.log");
    let mut last = VecDeque::new();
    for path in [older(&path), path] {
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Error::from(error).with("path", path.display())),
        };
        for line in BufReader::new(file).split(b'\n') {
            let line = line.map_err(|error| Error::from(error).with("path", path.display()))?;
            if last.len() == lines {
                last.pop_front();
            }
            if lines > 0 {
                last.push_back(line);
            }
        }
    }
    Ok(last.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_stays_within_two_files_and_the_tail_reads_across_them() {
        let folder = std::env::temp_dir().join(format!("infra-sdk-log-{}", crate::id::short().unwrap()));
        std::fs::create_dir_all(&folder).unwrap();
        assert!(tail(&folder, 3).unwrap().is_empty());
        let log = ServiceLog::with_limit(&folder, 100).unwrap();
        for number in 0..50 {
            log.line(Stream::Out, &format!("line {number}"));
        }
        drop(log);
        // Opened again, it goes on where it was.
        ServiceLog::with_limit(&folder, 100).unwrap().note("restarted");
        let files: Vec<u64> =
            std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).collect();
        assert!(files.len() == 2 && files.iter().all(|size| *size < 120), "{files:?}");
        assert_eq!(tail(&folder, 3).unwrap(), ["line 48", "line 49", "[infra] restarted"]);
        assert!(tail(&folder, 1000).unwrap().len() > 10);
        assert!(tail(&folder, 0).unwrap().is_empty());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
