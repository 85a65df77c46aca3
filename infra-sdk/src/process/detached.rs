//! Programs that outlive this one: a local service, started by one run and stopped by another.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::file::{self, Access};
use crate::process::cmd::Cmd;
use crate::process::{group, start};

/// A program that was started to outlive this one, as it is remembered in a file.
///
/// The time of its start tells it from a later process with the same number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detached {
    /// Its process id, which is also the id of its group.
    pub pid: u32,
    /// When the kernel started it, in ticks since the boot; 0 where the system does not tell.
    pub started: u64,
}

impl Detached {
    /// This process, as another one may remember it.
    pub(crate) fn this() -> Self {
        let pid = std::process::id();
        Detached { pid, started: group::started(pid).unwrap_or_default() }
    }

    /// Whether it still runs. One that ended but was not reaped counts as gone.
    pub fn is_alive(&self) -> bool {
        group::started(self.pid) == Some(self.started)
    }

    /// Asks it and its group to end, waits for at most `grace`, then kills what is left.
    /// `false` when it was gone before.
    ///
    /// # Errors
    /// `Unavailable` when it does not even end when killed, which is up to the kernel.
    pub async fn stop(&self, grace: Duration) -> Result<bool> {
        if !self.is_alive() {
            return Ok(false);
        }
        group::ask_to_end(self.pid);
        if self.gone_within(grace).await {
            return Ok(true);
        }
        group::kill(self.pid);
        if self.gone_within(Duration::from_secs(10)).await {
            return Ok(true);
        }
        Err(Error::new(ErrorKind::Unavailable, "program does not end although it was killed")
            .with("pid", self.pid)
            .hint("it waits for a device or a network disk; look at it with `ps`"))
    }

    async fn gone_within(&self, time: Duration) -> bool {
        let begin = Instant::now();
        loop {
            if !self.is_alive() && self.group_is_gone() {
                return true;
            }
            if begin.elapsed() >= time {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Whether its group is empty, or its number belongs to somebody else by now.
    fn group_is_gone(&self) -> bool {
        group::started(self.pid).is_some_and(|started| started != self.started) || group::is_empty(self.pid)
    }
}

pub(super) fn start(cmd: &Cmd, log: &Path) -> Result<Detached> {
    if let Some(parent) = log.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        file::make_dir(parent, Access::Private)?;
    }
    let failed = |error: std::io::Error| {
        Error::new(Error::from(std::io::Error::from(error.kind())).kind(), "open the log of a program")
            .with("path", log.display())
            .because(error)
            .hint("make the file writable for this user, or choose another one")
    };
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let out = options.open(log).map_err(failed)?;
    #[cfg(unix)]
    {
        // The file may be an older one that others could read.
        use std::os::unix::fs::PermissionsExt;
        out.set_permissions(std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    }
    let err = out.try_clone().map_err(failed)?;
    let leader = start::spawn(cmd, start::expression(cmd).stdin_null().stdout_file(out).stderr_file(err))?;
    // It cannot be reaped before the leader is dropped, so this is the right process.
    let started = group::started(leader.pid()).unwrap_or_default();
    Ok(Detached { pid: leader.pid(), started })
}
