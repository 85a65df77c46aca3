//! Processes known by a variable in their environment, whoever started them and whoever their parent is by now.
//!
//! A process id in a file would be missing when its writer is killed right after it started something, and may belong
//! to a stranger by the time it is read. So the processes are asked: each carries what it was started with, and so do
//! the processes it started. Only Linux lets one look; elsewhere nothing is found.

use std::time::Duration;

use crate::error::Result;

/// What `known` makes of the variable `name` of each living process but this one, where it is set and known.
///
/// # Errors
/// `Io` when the table of processes cannot be read.
pub(crate) fn find<T>(name: &str, known: impl Fn(&str) -> Option<T>) -> Result<Vec<T>> {
    #[cfg(target_os = "linux")]
    {
        Ok(linux::processes(name, known)?.into_iter().map(|(_, value)| value).collect())
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (name, known);
        Ok(Vec::new())
    }
}

/// Ends every process whose variable `name` is `ours`: asks, waits for at most `grace`, then kills. How many there were.
///
/// # Errors
/// `Unavailable` when one does not even end when killed, which is up to the kernel.
pub(crate) async fn end(name: &str, ours: impl Fn(&str) -> bool, grace: Duration) -> Result<usize> {
    #[cfg(target_os = "linux")]
    {
        linux::end(name, ours, grace).await
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (name, ours, grace);
        Ok(0)
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::time::{Duration, Instant};

    use rustix::process::{Pid, Signal, kill_process};

    use crate::error::{Error, ErrorKind, Result};

    pub(super) async fn end(name: &str, ours: impl Fn(&str) -> bool, grace: Duration) -> Result<usize> {
        let begun = Instant::now();
        let known = |value: &str| ours(value).then_some(());
        let found = processes(name, known)?.len();
        let mut asked = Vec::new();
        loop {
            let left = processes(name, known)?;
            if left.is_empty() {
                return Ok(found);
            }
            let elapsed = begun.elapsed();
            if elapsed > grace + Duration::from_secs(10) {
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    "a program does not end although it was killed",
                )
                .hint("it waits for a device or a network disk; look at it with `ps`"));
            }
            for (pid, ()) in left {
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

    /// The living processes with the variable, and what it means.
    pub(super) fn processes<T>(name: &str, known: impl Fn(&str) -> Option<T>) -> Result<Vec<(Pid, T)>> {
        let entries = std::fs::read_dir("/proc").map_err(Error::from)?;
        let own = std::process::id().cast_signed();
        Ok(entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
            .filter(|pid| *pid != own)
            .filter_map(|pid| Some((Pid::from_raw(pid)?, variable(pid, name, &known)?)))
            .collect())
    }

    fn variable<T>(pid: i32, name: &str, known: impl Fn(&str) -> Option<T>) -> Option<T> {
        // Empty for a zombie, refused for another user's process.
        let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
        environment
            .split(|byte| *byte == 0)
            .filter_map(|set| std::str::from_utf8(set.strip_prefix(name.as_bytes())?).ok()?.strip_prefix('='))
            .find_map(known)
    }
}
