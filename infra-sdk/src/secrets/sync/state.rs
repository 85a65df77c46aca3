//! The state file of syncs, and this machine's memory of the newest one it has seen.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::file::{self, Access, FileLock};
use crate::names::SecretName;
use crate::secrets::fingerprint::{Fingerprint, FingerprintKey};
use crate::secrets::store::Stamp;
use crate::secrets::sync::book::{Book, Page};
use crate::time::Timestamp;

/// The state file, this machine's memory of the highest generation it has seen, and the key that tells a genuine state
/// from a forged one. Opening it reads nothing.
///
/// The file holds names, keyed fingerprints and stamps, one secret a line, so it can be committed: everybody's sync then
/// knows of everybody's writes. It is not believed, and everything is synced, when its MAC is wrong, when it was made with
/// another key, or when this machine has seen a newer one.
#[derive(Clone, Debug)]
pub struct SyncState {
    path: PathBuf,
    seen: PathBuf,
    pub(super) key: FingerprintKey,
}

/// What the state file knows of one secret at one store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KnownWrite {
    /// The [id](crate::secrets::SecretStore::id) of the store.
    pub target_id: String,
    /// The secret.
    pub name: SecretName,
    /// The keyed fingerprint of the value that was written.
    pub fingerprint: Fingerprint,
    /// What the store calls that write, where it told.
    pub stamp: Option<Stamp>,
    /// When it was written.
    pub time: Timestamp,
    /// Who wrote it.
    pub by: String,
}

/// The state as it was found.
#[derive(Debug)]
pub(super) struct Loaded {
    raw: Option<Vec<u8>>,
    pub(super) book: Book,
    /// The next generation is higher than this.
    generation: u64,
    seen: u64,
    /// Why what the file says does not count.
    pub(super) distrust: Option<String>,
}

impl SyncState {
    /// The state in the file `path`, with this machine's memory in the file `seen`: outside the repo, one for each state.
    pub fn open(path: impl Into<PathBuf>, seen: impl Into<PathBuf>, key: FingerprintKey) -> Self {
        SyncState { path: path.into(), seen: seen.into(), key }
    }

    /// Every write the state knows of, by store and name, without any request. Nothing when there is no state, or none
    /// that can be believed: see [`distrust`](Self::distrust).
    ///
    /// # Errors
    /// `Denied`, `Io`, or `Invalid` when no file stands there.
    pub fn known(&self) -> Result<Vec<KnownWrite>> {
        let mut known = Vec::new();
        for (target_id, page) in self.load()?.book.targets {
            for (name, entry) in page.secrets {
                // Of a write whose end nobody saw, nothing is known.
                if entry.unsure.is_none() {
                    let target_id = target_id.clone();
                    let (fingerprint, stamp) = (entry.fingerprint, entry.stamp);
                    known.push(KnownWrite {
                        target_id,
                        name,
                        fingerprint,
                        stamp,
                        time: entry.time,
                        by: entry.by,
                    });
                }
            }
        }
        Ok(known)
    }

    /// Why the state is not believed; `None` when it is, or when there is none yet.
    ///
    /// # Errors
    /// As [`known`](Self::known).
    pub fn distrust(&self) -> Result<Option<String>> {
        Ok(self.load()?.distrust)
    }

    pub(super) fn load(&self) -> Result<Loaded> {
        let raw = file::read(&self.path, LARGEST)?;
        let seen = read_seen(&self.seen)?;
        let remembered = seen.unwrap_or(0);
        let (book, generation, distrust) = match &raw {
            None => (Book::default(), remembered, None),
            Some(raw) => match Book::parse(&String::from_utf8_lossy(raw), &self.key) {
                Err(distrust) => (Book::default(), remembered.max(distrust.claims), Some(distrust.reason)),
                Ok((_, generation)) if generation < remembered => {
                    let reason = format!(
                        "it is of generation {generation}, and this machine has seen generation {remembered}"
                    );
                    (Book::default(), remembered, Some(reason))
                }
                Ok((_, generation)) if seen.is_none() => {
                    let reason = "this machine's memory of it is damaged".to_owned();
                    (Book::default(), generation, Some(reason))
                }
                Ok((book, generation)) => (book, generation, None),
            },
        };
        Ok(Loaded { raw, book, generation, seen: remembered, distrust })
    }
}

/// Far more than every secret of every store that is known.
const LARGEST: u64 = 64_000_000;

/// The highest generation seen: 0 when there is no memory, `None` when it is damaged.
fn read_seen(path: &Path) -> Result<Option<u64>> {
    let Some(text) = file::read(path, 100)? else { return Ok(Some(0)) };
    Ok(std::str::from_utf8(&text).ok().and_then(|text| text.trim().parse().ok()))
}

/// Notes what is written while it is written. Holds the lock that keeps a second sync on this machine away.
#[derive(Debug)]
pub(super) struct Journal {
    state: SyncState,
    open: Mutex<Open>,
    _lock: FileLock,
}

#[derive(Debug)]
struct Open {
    book: Book,
    generation: u64,
    seen: u64,
    /// Whether a generation of this run is remembered.
    remembers: bool,
    dirty: bool,
}

impl Journal {
    /// Continues the state that a plan was made from, with what was seen since in `pages`.
    ///
    /// # Errors
    /// `Locked` when another sync runs; `Conflict` when the state is no longer the one the plan was made from; `Denied` or
    /// `Io`.
    pub(super) fn open(state: SyncState, loaded: Loaded, pages: BTreeMap<String, Page>) -> Result<Self> {
        let lock = FileLock::try_acquire(&lock_path(&state.seen))?.ok_or_else(|| {
            Error::new(ErrorKind::Locked, "another sync of this repo runs on this machine")
                .with("state", state.path.display())
                .hint("wait for it to end, then sync again")
        })?;
        if file::read(&state.path, LARGEST)? != loaded.raw {
            return Err(Error::new(ErrorKind::Conflict, "the state changed since the sync was planned")
                .with("state", state.path.display())
                .hint("sync again: it plans anew"));
        }
        let Loaded { mut book, generation, seen, distrust, .. } = loaded;
        let mut dirty = distrust.is_some();
        for (target, page) in pages {
            dirty |= book.targets.get(&target) != Some(&page);
            book.targets.insert(target, page);
        }
        let open = Open { book, generation, seen, remembers: false, dirty };
        Ok(Journal { state, open: Mutex::new(open), _lock: lock })
    }

    /// Changes what is known of a target, and saves it.
    ///
    /// # Errors
    /// `Denied` or `Io`: then the file is as it was.
    pub(super) fn note(&self, target: &str, change: impl FnOnce(&mut Page)) -> Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        change(open.book.targets.entry(target.to_owned()).or_default());
        open.dirty = true;
        self.save(&mut open)
    }

    /// Saves what is not saved yet, and makes this machine remember the generation.
    ///
    /// # Errors
    /// `Denied` or `Io`.
    pub(super) fn close(&self) -> Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.dirty {
            self.save(&mut open)?;
        }
        self.remember(&mut open)
    }

    fn save(&self, open: &mut Open) -> Result<()> {
        let generation = open.generation.saturating_add(1);
        let text = open.book.to_text(&self.state.key, generation)?;
        file::write(&self.state.path, text.as_bytes(), Access::Shared)?;
        (open.generation, open.dirty) = (generation, false);
        // The saves in between are remembered with the last one: each would cost as much again.
        if std::mem::replace(&mut open.remembers, true) { Ok(()) } else { self.remember(open) }
    }

    fn remember(&self, open: &mut Open) -> Result<()> {
        if open.generation != open.seen {
            file::write(&self.state.seen, format!("{}\n", open.generation).as_bytes(), Access::Private)?;
            open.seen = open.generation;
        }
        Ok(())
    }
}

fn lock_path(seen: &Path) -> PathBuf {
    let mut path = seen.as_os_str().to_owned();
    path.push(".lock");
    path.into()
}
