//! Leases as one small file each, for processes of one machine: they end by time, and with their process.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::file::{self, Access, FileLock, failed};
use crate::local::LocalRuns;
use crate::runs::{Lease, LeaseRecord, LeaseRequest, Leases, check_name, held_by};
use crate::state::ProcessMark;
use crate::time::Timestamp;

/// What stands in the file of a lease.
#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    lease: LeaseRecord,
    expires: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    process: Option<ProcessMark>,
}

impl Kept {
    fn is_free(&self) -> bool {
        self.expires <= Timestamp::now() || self.process.as_ref().is_some_and(ProcessMark::is_gone)
    }

    fn into_lease(self) -> Lease {
        self.lease.into_lease(String::new())
    }
}

impl LocalRuns {
    /// Keeps other processes from reading and changing a lease in between.
    fn leases_alone(&self) -> Result<FileLock> {
        FileLock::acquire(&self.leases_root().join(".lock"))
    }

    fn lease_path(&self, name: &str) -> Result<PathBuf> {
        check_name(name)?;
        Ok(self.leases_root().join(format!("{name}.json")))
    }
}

#[async_trait]
impl Leases for LocalRuns {
    async fn hold(&self, request: &LeaseRequest) -> Result<Lease> {
        let path = self.lease_path(&request.name)?;
        let lease = Lease::asked(request)?;
        let _alone = self.leases_alone()?;
        if let Some(holder) = file::read_json::<Kept>(&path)?.filter(|kept| !kept.is_free()) {
            return Err(held_by(&request.name, &holder.lease.holder));
        }
        if let Some(folder) = path.parent() {
            sweep(folder);
        }
        let kept = Kept {
            lease: LeaseRecord::from(&lease),
            expires: Timestamp::now().plus(lease.length),
            process: ProcessMark::of_this_process(),
        };
        file::write_json(&path, &kept, Access::Private)?;
        Ok(lease)
    }

    async fn renew(&self, lease: &Lease) -> Result<Lease> {
        let path = self.lease_path(&lease.name)?;
        let _alone = self.leases_alone()?;
        match file::read_json::<Kept>(&path)?.filter(|kept| kept.lease.id == lease.id && !kept.is_free()) {
            Some(kept) => {
                let kept = Kept { expires: Timestamp::now().plus(lease.length), ..kept };
                file::write_json(&path, &kept, Access::Private)?;
                Ok(kept.into_lease())
            }
            None => Err(lease.gone()),
        }
    }

    async fn release(&self, lease: &Lease) -> Result<bool> {
        let path = self.lease_path(&lease.name)?;
        let _alone = self.leases_alone()?;
        let Some(kept) = file::read_json::<Kept>(&path)?.filter(|kept| kept.lease.id == lease.id) else {
            return Ok(false);
        };
        let held = !kept.is_free();
        std::fs::remove_file(&path).map_err(|error| failed("free a lease", &path, error))?;
        Ok(held)
    }

    async fn leases(&self, prefix: &str) -> Result<Vec<Lease>> {
        let folder = match prefix.rsplit_once('/') {
            Some((folder, _)) => self.leases_root().join(folder),
            None => self.leases_root(),
        };
        let mut held = Vec::new();
        collect(&folder, &mut held)?;
        held.retain(|kept| kept.lease.name.starts_with(prefix) && !kept.is_free());
        Ok(held.into_iter().map(Kept::into_lease).collect())
    }
}

/// The leases below a folder, also those that ended.
fn collect(folder: &Path, into: &mut Vec<Kept>) -> Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("list the leases", folder, error)),
    };
    for entry in entries {
        let path = entry.map_err(|error| failed("list the leases", folder, error))?.path();
        if path.is_dir() {
            collect(&path, into)?;
        } else if is_lease(&path) {
            // One that was freed in between is not there any more.
            into.extend(file::read_json::<Kept>(&path)?);
        }
    }
    Ok(())
}

fn is_lease(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.ends_with(".json") && !name.starts_with('.')
}

/// Removes what ended, and what a killed process left half written. The caller holds the lock of all writers.
fn sweep(folder: &Path) {
    file::sweep(folder);
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let ended = |path: &Path| {
            file::read_json::<Kept>(path).is_ok_and(|kept| kept.is_some_and(|kept| kept.is_free()))
        };
        if path.is_file() && is_lease(&path) && ended(&path) {
            // What cannot be removed costs only its place.
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::ErrorKind;

    fn request(name: &str) -> LeaseRequest {
        LeaseRequest {
            name: name.into(),
            holder: "ada".into(),
            note: String::new(),
            length: Duration::from_secs(900),
        }
    }

    #[tokio::test]
    async fn a_name_that_could_leave_its_folder_is_refused() {
        let root = std::env::temp_dir().join(format!("infra-sdk-leases-{}", crate::id::short().unwrap()));
        let runs = LocalRuns::new(&root);
        for bad in ["", "../x", "a//b", "/a", "a/", "A", "a.b", &"a".repeat(201)] {
            let error = runs.hold(&request(bad)).await.unwrap_err();
            assert!(error.kind() == ErrorKind::Invalid && !error.hints().is_empty(), "{bad:?}: {error:?}");
        }
        assert!(!root.exists());
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_lease_of_a_killed_process_is_free_at_once() {
        let root = std::env::temp_dir().join(format!("infra-sdk-leases-{}", crate::id::short().unwrap()));
        let runs = LocalRuns::new(&root);
        let lease = runs.hold(&request("agents/a")).await.unwrap();
        let path = root.join("leases/agents/a.json");
        let program = crate::process::Cmd::new("sleep").arg("60").start_detached(&root.join("log")).unwrap();
        let mut kept: Kept = file::read_json(&path).unwrap().unwrap();
        kept.process = ProcessMark::of(program.pid);
        file::write_json(&path, &kept, Access::Private).unwrap();
        assert_eq!(runs.leases("agents/").await.unwrap().len(), 1);
        program.stop(Duration::ZERO).await.unwrap();
        assert_eq!(runs.leases("agents/").await.unwrap(), []);
        assert_eq!(runs.renew(&lease).await.unwrap_err().kind(), ErrorKind::Conflict);
        assert_ne!(runs.hold(&request("agents/a")).await.unwrap().id, lease.id);
        runs.hold(&request("agents/b")).await.unwrap();
        std::fs::remove_dir_all(root).unwrap();
    }
}
