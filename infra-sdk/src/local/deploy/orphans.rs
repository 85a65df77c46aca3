//! Services that lost their supervisor: found by the release in their environment, and ended.

use std::time::Duration;

use crate::deploy::ReleaseId;
use crate::error::Result;
use crate::local::deploy::folder::Folder;

/// Ends every process that was started for a release of this folder: asks, waits for at
/// most `grace`, then kills. The caller holds the right to supervise, so nobody else's service is among them.
///
/// A process id in a file would be missing when a supervisor is killed right after it started its service, and
/// may belong to a stranger by the time it is read. So the processes are asked: each carries the name of
/// its release, and so do the processes it started. Only Linux lets one look; elsewhere the service of
/// a killed supervisor is met as a taken port.
pub(super) async fn end(folder: &Folder, grace: Duration) -> Result<usize> {
    #[cfg(target_os = "linux")]
    {
        linux::end(folder, grace).await
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (folder, grace);
        Ok(0)
    }
}

/// The releases of this folder that have a living process, supervised or not.
pub(super) fn releases(folder: &Folder) -> Result<Vec<ReleaseId>> {
    #[cfg(target_os = "linux")]
    {
        Ok(linux::processes(folder)?.into_iter().map(|(_, release)| release).collect())
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = folder;
        Ok(Vec::new())
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::time::{Duration, Instant};

    use rustix::process::{Pid, Signal, kill_process};

    use crate::deploy::ReleaseId;
    use crate::error::{Error, ErrorKind, Result};
    use crate::local::deploy::folder::Folder;

    pub(super) async fn end(folder: &Folder, grace: Duration) -> Result<usize> {
        let begun = Instant::now();
        let found = processes(folder)?.len();
        let mut asked = Vec::new();
        loop {
            let left = processes(folder)?;
            if left.is_empty() {
                return Ok(found);
            }
            let elapsed = begun.elapsed();
            if elapsed > grace + Duration::from_secs(10) {
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    "a service does not end although it was killed",
                )
                .hint("it waits for a device or a network disk; look at it with `ps`"));
            }
            for (pid, _) in left {
                // All that can go wrong is that it is gone. Asked politely once: many programs take a second TERM as
                // the order to drop everything.
                if elapsed >= grace {
                    let _ = kill_process(pid, Signal::KILL);
                } else if !asked.contains(&pid) {
                    let _ = kill_process(pid, Signal::TERM);
                    asked.push(pid);
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The living processes whose `RELEASE` is a release of this folder, and that release.
    pub(super) fn processes(folder: &Folder) -> Result<Vec<(Pid, ReleaseId)>> {
        let entries = std::fs::read_dir("/proc").map_err(Error::from)?;
        let own = std::process::id().cast_signed();
        Ok(entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
            .filter(|pid| *pid != own)
            .filter_map(|pid| Some((Pid::from_raw(pid)?, release(pid, folder)?)))
            .collect())
    }

    fn release(pid: i32, folder: &Folder) -> Option<ReleaseId> {
        // Empty for a zombie, refused for another user's process.
        let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
        environment
            .split(|byte| *byte == 0)
            .filter_map(|variable| std::str::from_utf8(variable.strip_prefix(b"RELEASE=")?).ok())
            .filter_map(|id| id.parse().ok())
            .find(|id| folder.release_dir(id).is_dir())
    }
}
