//! One project's folder: where everything stands, and the records that commands and supervisors share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::deploy::{Release, ReleaseId};
use crate::error::{Error, ErrorKind, Result};
use crate::file::{self, Access, FileLock};
use crate::time::Timestamp;

/// The folder of one project in one environment.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

/// What a command wants, in `state.json`. Read by supervisors of other versions
/// of this crate, too: fields are added, never changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// The release that was accepted last.
    pub(super) current: Option<ReleaseId>,
    /// What should run now.
    pub(super) active: Option<Active>,
    /// The port that was chosen for this project.
    pub(super) port: Option<u16>,
}

/// The release that should run, and the ticket of the one supervisor that may run it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Active {
    pub(super) release: ReleaseId,
    pub(super) ticket: String,
}

/// What a supervisor saw last, in `supervisor.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Supervised {
    pub(super) active: Active,
    /// The supervisor's process, for people.
    pub(super) pid: u32,
    pub(super) phase: Phase,
}

/// How the service is doing, as its supervisor sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "lowercase")]
pub(super) enum Phase {
    /// It is about to be started.
    Starting,
    /// It runs since then.
    Running { since: Timestamp },
    /// It ended by itself and will be started again.
    Restarting { why: String },
    /// It will not be started again, and the supervisor is gone.
    Ended { why: String },
}

/// Who holds the claim, in `holder.json`; only true while the lock is held.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    by: String,
    pid: u32,
    since: Timestamp,
}

/// Held by the command that may change what runs.
pub(super) struct Held {
    folder: Folder,
    _lock: FileLock,
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.folder.0.join("holder.json"));
    }
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Folder(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn supervisor_log(&self) -> PathBuf {
        self.0.join("supervisor.log")
    }

    fn releases_dir(&self) -> PathBuf {
        self.0.join("releases")
    }

    pub(super) fn release_dir(&self, id: &ReleaseId) -> PathBuf {
        self.releases_dir().join(id.as_str())
    }

    /// Takes the claim for `by`.
    pub(super) fn claim(&self, by: &str) -> Result<Held> {
        let path = self.0.join("holder.json");
        match FileLock::try_acquire(&self.0.join("deploy.lock"))? {
            Some(lock) => {
                let held = Held { folder: self.clone(), _lock: lock };
                let holder = Holder { by: by.to_owned(), pid: std::process::id(), since: Timestamp::now() };
                file::write_json(&path, &holder, Access::Private)?;
                Ok(held)
            }
            None => {
                let error = Error::new(ErrorKind::Locked, "another rollout is under way");
                // The holder writes its name right after it took the lock, so it may be missing for a moment.
                Err(match file::read_json::<Holder>(&path).ok().flatten() {
                    Some(holder) => error
                        .with("holder", &holder.by)
                        .with("since", holder.since)
                        .with("process", holder.pid)
                        .hint(format!("wait for it, or end process {} if it hangs", holder.pid)),
                    None => error.hint("wait for it to end and try again"),
                }
                .retryable())
            }
        }
    }

    pub(super) fn state(&self) -> Result<State> {
        Ok(self.read_state()?.unwrap_or_default())
    }

    fn read_state(&self) -> Result<Option<State>> {
        file::read_json(&self.0.join("state.json"))
    }

    pub(super) fn set_state(&self, state: &State) -> Result<()> {
        file::write_json(&self.0.join("state.json"), state, Access::Private)
    }

    /// Whether the holder of a ticket is the one that should run. A folder that was removed wants nobody.
    pub(super) fn wants(&self, active: &Active) -> Result<bool> {
        Ok(self.read_state()?.is_some_and(|state| state.active.as_ref() == Some(active)))
    }

    pub(super) fn supervised(&self) -> Result<Option<Supervised>> {
        file::read_json(&self.0.join("supervisor.json"))
    }

    pub(super) fn set_supervised(&self, supervised: &Supervised) -> Result<()> {
        file::write_json(&self.0.join("supervisor.json"), supervised, Access::Private)
    }

    /// The right to run a service here; one process at a time has it.
    pub(super) fn try_supervise(&self) -> Result<Option<FileLock>> {
        FileLock::try_acquire(&self.0.join("supervisor.lock"))
    }

    /// A complete release; `None` when it is not kept.
    pub(super) fn release(&self, id: &ReleaseId) -> Result<Option<Release>> {
        file::read_json(&self.release_dir(id).join("release.json"))
    }

    /// Completes a release, or records that it was accepted.
    pub(super) fn set_release(&self, release: &Release) -> Result<()> {
        file::write_json(&self.release_dir(&release.id).join("release.json"), release, Access::Private)
    }

    /// The names of all release folders, complete or not.
    pub(super) fn release_ids(&self) -> Result<Vec<ReleaseId>> {
        let entries = match std::fs::read_dir(self.releases_dir()) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::from(error).with("path", self.releases_dir().display())),
        };
        Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
    }

    /// All complete releases, newest first.
    pub(super) fn releases(&self) -> Result<Vec<Release>> {
        let ids = self.release_ids()?;
        let mut releases =
            ids.iter().filter_map(|id| self.release(id).transpose()).collect::<Result<Vec<_>>>()?;
        releases.sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
        Ok(releases)
    }

    /// Removes a release. What makes it complete goes first, so that a
    /// removal that was killed leaves no release that looks whole.
    pub(super) fn remove_release(&self, id: &ReleaseId) -> Result<()> {
        let folder = self.release_dir(id);
        let gone = |result: std::io::Result<()>, path: &Path| match result {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::from(error)
                .with("path", path.display())
                .hint("make the folder writable for this user")),
            _ => Ok(()),
        };
        let complete = folder.join("release.json");
        gone(std::fs::remove_file(&complete), &complete)?;
        gone(std::fs::remove_dir_all(&folder), &folder)
    }

    /// Removes what killed commands left: releases that never became complete, temporary files.
    pub(super) fn tidy(&self) -> Result<()> {
        for id in self.release_ids()? {
            match self.release(&id)? {
                Some(_) => remove_temporary(&self.release_dir(&id)),
                None => self.remove_release(&id)?,
            }
        }
        remove_temporary(&self.0);
        Ok(())
    }
}

/// Removes temporary files that nobody can be writing any more. What cannot be removed does no harm.
fn remove_temporary(folder: &Path) {
    const OLD: Duration = Duration::from_secs(60);
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let old = entry
            .metadata()
            .and_then(|meta| meta.modified())
            .is_ok_and(|time| Timestamp::from(time).elapsed() > OLD);
        if name.starts_with('.') && name.ends_with(".tmp") && old {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
