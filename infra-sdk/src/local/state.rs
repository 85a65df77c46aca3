//! Terraform state in a folder, and locks as small files that only one process changes at a time.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::file::{self, Access, FileLock, failed};
use crate::names::OrgName;
use crate::state::left::is_blank;
use crate::state::{
    BackendSettings, LockInfo, LockKey, LockRequest, Locks, Probe, SeenLock, Setting, SetupPlan, Snapshot,
    SnapshotId, StateBackend, StateKey, StateLocks, StateStore, TfLock, locked,
};
use crate::time::Timestamp;

/// A state file larger than this is not ours.
const LARGEST_STATE: u64 = 512_000_000;

/// What Terraform writes beside a state it locks is a line.
const LARGEST_LOCK: u64 = 100_000;

/// Terraform state in a folder of this machine.
///
/// Beside each state stands a folder `snapshots` with its copies. State may
/// hold secrets: the folders are for their owner alone.
#[derive(Clone, Debug)]
pub struct LocalState {
    root: PathBuf,
}

impl LocalState {
    /// The state kept under the folder `root`, an absolute path that need not be there yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        LocalState { root: root.into() }
    }

    fn path(&self, key: &StateKey) -> PathBuf {
        self.root.join(key.to_string())
    }

    fn snapshots_of(&self, key: &StateKey) -> PathBuf {
        self.root.join(key.folder()).join("snapshots")
    }

    fn copies(&self, key: &StateKey) -> Result<Vec<Snapshot>> {
        let folder = self.snapshots_of(key);
        let mut copies = Vec::new();
        for name in names_in(&folder)? {
            // A file that is not named like a copy is not one, such as one a crash left half written.
            let Some(id) = name.strip_suffix(".tfstate") else { continue };
            let Some(Ok(time)) = id.rsplit_once('-').map(|(time, _)| time.replace('_', ":").parse()) else {
                continue;
            };
            let path = folder.join(&name);
            let size = path.metadata().map_err(|error| failed("look at a snapshot", &path, error))?.len();
            copies.push(Snapshot { id: SnapshotId::new(id), time, size });
        }
        copies.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(copies)
    }
}

/// The names in a folder, in order; none when it is not there.
fn names_in(folder: &Path) -> Result<Vec<String>> {
    let fail = |error| failed("list a folder", folder, error);
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error)
            if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
        {
            return Ok(Vec::new());
        }
        Err(error) => return Err(fail(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(fail)?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

#[async_trait]
impl StateBackend for LocalState {
    async fn settings(&self, key: &StateKey) -> Result<BackendSettings> {
        let path = self.path(key);
        file::make_dir(&self.root.join(key.folder()), Access::Private)?;
        let Some(text) = path.to_str() else {
            return Err(Error::invalid("the folder for state is not named in UTF-8")
                .with("path", path.display())
                .hint("point INFRA_HOME to a folder whose name Terraform can read"));
        };
        let values = BTreeMap::from([("path".to_owned(), Setting::Text(text.to_owned()))]);
        Ok(BackendSettings::new("local", values))
    }

    async fn read(&self, key: &StateKey) -> Result<Option<Vec<u8>>> {
        file::read(&self.path(key), LARGEST_STATE)
    }

    async fn list(&self, owner: &OrgName) -> Result<Vec<StateKey>> {
        let mut keys = Vec::new();
        let home = self.root.join(owner.as_str());
        for repo in names_in(&home)? {
            for env in names_in(&home.join(&repo))? {
                for stack in names_in(&home.join(&repo).join(&env))? {
                    let key = format!("{owner}/{repo}/{env}/{stack}/terraform.tfstate").parse::<StateKey>();
                    keys.extend(key.ok().filter(|key| self.path(key).is_file()));
                }
            }
        }
        keys.sort();
        Ok(keys)
    }

    async fn snapshot(&self, key: &StateKey) -> Result<Option<SnapshotId>> {
        let Some(content) = self.read(key).await?.filter(|state| !is_blank(state)) else { return Ok(None) };
        let digest = Digest::of(&content);
        let newest = self.copies(key)?.pop();
        if let Some(newest) = &newest
            && newest.id.as_str().ends_with(digest.short())
            && self.read_snapshot(key, &newest.id).await?.as_ref() == Some(&content)
        {
            return Ok(Some(newest.id.clone()));
        }
        // Later than the newest even when the clock was set back, since copies are ordered by their time.
        let after = newest.map(|newest| newest.time.plus(Duration::from_millis(1)));
        let time = after.map_or_else(Timestamp::now, |after| after.max(Timestamp::now()));
        // Windows allows no `:` in the name of a file.
        let id = format!("{}-{}", time.to_string().replace(':', "_"), digest.short());
        file::write(&self.snapshots_of(key).join(format!("{id}.tfstate")), &content, Access::Private)?;
        Ok(Some(SnapshotId::new(id)))
    }

    async fn snapshots(&self, key: &StateKey) -> Result<Vec<Snapshot>> {
        self.copies(key)
    }

    async fn read_snapshot(&self, key: &StateKey, id: &SnapshotId) -> Result<Option<Vec<u8>>> {
        if !self.copies(key)?.iter().any(|copy| copy.id == *id) {
            return Ok(None);
        }
        file::read(&self.snapshots_of(key).join(format!("{id}.tfstate")), LARGEST_STATE)
    }

    async fn replace(&self, key: &StateKey, seen: Option<&[u8]>, content: &[u8]) -> Result<bool> {
        if self.read(key).await?.as_deref() != seen {
            return Ok(false);
        }
        file::write(&self.path(key), content, Access::Private)?;
        Ok(true)
    }
}

/// Terraform locks a state in a folder through the system, for as long as its process runs, and writes beside it who it
/// is. So such a lock can be read here, and neither kept for longer than a process nor broken. What a process that was killed
/// left beside the state is no lock: Terraform does not mind it either.
#[async_trait]
impl StateLocks for LocalState {
    async fn lock_state(&self, key: &StateKey, _: &LockRequest) -> Result<TfLock> {
        Err(of_a_process("can not be kept", key))
    }

    async fn state_lock(&self, key: &StateKey) -> Result<Option<SeenLock>> {
        let folder = self.root.join(key.folder());
        let path = folder.join(".terraform.tfstate.lock.info");
        let Some(bytes) = file::read(&path, LARGEST_LOCK)? else { return Ok(None) };
        if !is_held(&self.path(key))? {
            return Ok(None);
        }
        let written = path.metadata().and_then(|about| about.modified());
        let age = written.ok().and_then(|written| written.elapsed().ok()).unwrap_or_default();
        Ok(Some(SeenLock { lock: TfLock::parse(&bytes), version: Digest::of(&bytes).to_string(), age }))
    }

    async fn unlock_state(&self, key: &StateKey, _: &SeenLock) -> Result<()> {
        Err(of_a_process("needs no breaking", key))
    }
}

/// Whether a process holds the lock that Terraform takes on the file of a state.
#[cfg(unix)]
fn is_held(path: &Path) -> Result<bool> {
    use rustix::process::{Flock, FlockType, fcntl_getlk};

    let Some(file) = open_if_there(path)? else { return Ok(false) };
    let holder = fcntl_getlk(&file, &Flock::from(FlockType::WriteLock));
    Ok(holder.map_err(|error| failed("look who has locked a state", path, error.into()))?.is_some())
}

/// Whether a process holds the lock that Terraform takes on the file of a state.
#[cfg(not(unix))]
fn is_held(path: &Path) -> Result<bool> {
    // Where it cannot be asked, it is tried, for a moment.
    Ok(open_if_there(path)?.is_some_and(|file| file.try_lock().is_err()))
}

fn open_if_there(path: &Path) -> Result<Option<File>> {
    match File::options().read(true).write(true).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("look who has locked a state", path, error)),
    }
}

fn of_a_process(what: &str, key: &StateKey) -> Error {
    Error::invalid(format!("a lock of state on this machine {what}: it ends with the process that holds it"))
        .with("state", key)
        .hint(
            "end the process that works on the stack; where state is in a bucket, locks are kept and broken",
        )
}

#[async_trait]
impl StateStore for LocalState {
    async fn plan_setup(&self) -> Result<SetupPlan> {
        // The folders are made with the first state.
        Ok(SetupPlan { place: self.root.display().to_string(), steps: Vec::new() })
    }

    async fn set_up(&self, _: &SetupPlan) -> Result<()> {
        Ok(())
    }

    async fn probe(&self) -> Result<Probe> {
        let path = self.root.join(format!(".probe-{}", crate::id::short()?));
        file::make_dir(&self.root, Access::Private)?;
        file::write_new(&path, b"1", Access::Private)?;
        let creates_once = file::write_new(&path, b"2", Access::Private).is_err();
        std::fs::remove_file(&path).map_err(|error| failed("remove a file", &path, error))?;
        // Locks are compared and removed while no other process can change them.
        Ok(Probe { creates_once, deletes_what_was_seen: true })
    }
}

/// Locks as one small JSON file each.
#[derive(Clone, Debug)]
pub struct LocalLocks {
    root: PathBuf,
}

impl LocalLocks {
    /// The locks kept under the folder `root`, which need not be there yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        LocalLocks { root: root.into() }
    }

    fn path(&self, key: &LockKey) -> PathBuf {
        self.root.join(format!("{key}.json"))
    }

    /// Keeps other processes from reading and changing a lock in between.
    fn alone(&self) -> Result<FileLock> {
        FileLock::acquire(&self.root.join(".lock"))
    }
}

#[async_trait]
impl Locks for LocalLocks {
    async fn lock(&self, key: &LockKey, info: &LockInfo) -> Result<LockInfo> {
        let _alone = self.alone()?;
        match file::read_json::<LockInfo>(&self.path(key))? {
            Some(holder) if holder.id != info.id && !holder.is_free() => Err(locked(key, &holder)),
            _ => {
                if let Some(folder) = self.path(key).parent() {
                    file::sweep(folder);
                }
                file::write_json(&self.path(key), info, Access::Private)?;
                Ok(info.clone())
            }
        }
    }

    async fn holder(&self, key: &LockKey) -> Result<Option<LockInfo>> {
        Ok(file::read_json::<LockInfo>(&self.path(key))?.filter(|holder| !holder.is_free()))
    }

    async fn renew(&self, key: &LockKey, id: &str, expires: Timestamp) -> Result<()> {
        let _alone = self.alone()?;
        match file::read_json::<LockInfo>(&self.path(key))? {
            Some(holder) if holder.id == id => {
                file::write_json(&self.path(key), &LockInfo { expires, ..holder }, Access::Private)
            }
            Some(other) if !other.is_free() => Err(locked(key, &other)),
            _ => Err(Error::not_found(format!("nobody holds the lock `{key}`"))
                .hint("take the lock again before going on")),
        }
    }

    async fn unlock(&self, key: &LockKey, id: &str) -> Result<bool> {
        let _alone = self.alone()?;
        let path = self.path(key);
        if file::read_json::<LockInfo>(&path)?.is_none_or(|holder| holder.id != id) {
            return Ok(false);
        }
        std::fs::remove_file(&path).map_err(|error| failed("free a lock", &path, error))?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_lock_of_a_killed_process_is_taken_at_once() {
        let root = std::env::temp_dir().join(format!("infra-sdk-locks-{}", crate::id::short().unwrap()));
        let locks = LocalLocks::new(&root);
        let key = LockKey {
            purpose: "deploy".parse().unwrap(),
            owner: "acme".parse().unwrap(),
            repo: "shop".parse().unwrap(),
            env: "local".parse().unwrap(),
        };
        let program = crate::process::Cmd::new("sleep").arg("60").start_detached(&root.join("log")).unwrap();
        let mut first = LockInfo::new("ada", "deploy", Duration::from_secs(900)).unwrap();
        first.process = crate::state::ProcessMark::of(program.pid);
        assert!(first.process.is_some());
        let next = LockInfo::new("bob", "deploy", Duration::from_secs(900)).unwrap();
        locks.lock(&key, &first).await.unwrap();
        assert!(locks.lock(&key, &next).await.is_err(), "the first still runs");
        program.stop(Duration::ZERO).await.unwrap();
        assert_eq!(locks.holder(&key).await.unwrap(), None);
        assert_eq!(locks.lock(&key, &next).await.unwrap(), next);
        assert!(!locks.unlock(&key, &first.id).await.unwrap());
        std::fs::remove_dir_all(root).unwrap();
    }

    #[tokio::test]
    async fn a_lock_of_terraforms_is_read_and_neither_kept_nor_broken() {
        let root = std::env::temp_dir().join(format!("infra-sdk-state-{}", crate::id::short().unwrap()));
        let state = LocalState::new(&root);
        let key: StateKey = "acme/shop/local/network/terraform.tfstate".parse().unwrap();
        state.settings(&key).await.unwrap();
        assert!(state.state_lock(&key).await.unwrap().is_none());
        let folder = root.join("acme/shop/local/network");
        std::fs::write(folder.join(".terraform.tfstate.lock.info"), r#"{"ID":"1","Who":"ada@laptop"}"#)
            .unwrap();
        std::fs::write(folder.join("terraform.tfstate"), "").unwrap();
        assert!(state.state_lock(&key).await.unwrap().is_none(), "whoever wrote that is gone");
        let log = root.join("log");
        let hold = "import fcntl, sys, time\nfile = open(sys.argv[1], 'r+')\nfcntl.lockf(file, fcntl.LOCK_EX)\n\
                    print('held', flush=True)\ntime.sleep(60)";
        let holder = crate::process::Cmd::new("python3").args(["-c", hold]);
        let holder = holder.arg(folder.join("terraform.tfstate")).start_detached(&log).unwrap();
        let begun = std::time::Instant::now();
        while !std::fs::read_to_string(&log).is_ok_and(|text| text.contains("held")) {
            assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", std::fs::read_to_string(&log));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let seen = state.state_lock(&key).await.unwrap().unwrap();
        assert_eq!(seen.lock.as_ref().unwrap().who, "ada@laptop");
        let request =
            LockRequest { who: "bob".into(), run: None, why: "x".into(), length: Duration::from_secs(9) };
        for error in [
            state.lock_state(&key, &request).await.unwrap_err(),
            state.unlock_state(&key, &seen).await.unwrap_err(),
        ] {
            assert!(
                error.to_string().contains("ends with the process") && !error.hints().is_empty(),
                "{error}"
            );
        }
        holder.stop(Duration::ZERO).await.unwrap();
        assert!(state.state_lock(&key).await.unwrap().is_none());
        assert!(state.plan_setup().await.unwrap().steps.is_empty());
        assert!(state.probe().await.unwrap().require().is_ok());
        std::fs::remove_dir_all(root).unwrap();
    }

    #[tokio::test]
    async fn what_terraform_writes_lies_in_a_folder_for_its_owner_alone() {
        let root = std::env::temp_dir().join(format!("infra-sdk-state-{}", crate::id::short().unwrap()));
        let state = LocalState::new(&root);
        let key: StateKey = "acme/shop/local/network/terraform.tfstate".parse().unwrap();
        let settings = state.settings(&key).await.unwrap();
        let path = root.join("acme/shop/local/network/terraform.tfstate");
        assert_eq!(settings.kind, "local");
        assert_eq!(settings.values["path"], Setting::Text(path.display().to_string()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let folder = path.parent().unwrap().metadata().unwrap();
            assert_eq!(folder.permissions().mode() & 0o777, 0o700);
        }
        std::fs::remove_dir_all(root).unwrap();
    }
}
