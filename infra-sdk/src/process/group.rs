//! A child and the process group it leads: waiting, asking it to end, killing it, without ever hitting a stranger.

use std::process::ExitStatus;
use std::sync::Arc;

#[cfg(unix)]
use rustix::process::{Pid, Signal};

/// A started child that nobody has reaped yet.
///
/// Its process id, which is also the id of its group, stays its own until
/// [`reap`](Leader::reap): so until then a signal cannot reach another process
/// that got the same number.
#[derive(Clone)]
pub(super) struct Leader {
    child: Arc<duct::Handle>,
    pid: u32,
    // Otherwise it shares the group of this process.
    own_group: bool,
    // Otherwise it is asked to end by `TERM`.
    #[cfg_attr(not(unix), expect(dead_code, reason = "there is no way to ask"))]
    end_by_interrupt: bool,
}

impl Leader {
    pub(super) fn new(child: duct::Handle, own_group: bool, end_by_interrupt: bool) -> Self {
        // One command is one process, so there is exactly one id.
        let pid = child.pids().first().copied().unwrap_or_default();
        Leader { child: Arc::new(child), pid, own_group, end_by_interrupt }
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Collects how it ended; waits for the end.
    pub(super) fn reap(&self) -> std::io::Result<ExitStatus> {
        self.child.wait().map(|output| output.status)
    }
}

#[cfg(unix)]
impl Leader {
    /// Waits for its end without reaping it.
    pub(super) fn wait(&self) {
        use rustix::process::{WaitId, WaitIdOptions, waitid};
        let Some(pid) = pid(self.pid) else { return };
        // Only an interruption is worth another try.
        while matches!(
            waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT),
            Err(rustix::io::Errno::INTR)
        ) {}
    }

    /// Asks it and its group to end. A stopped process is woken, to hear it.
    pub(super) fn ask_to_end(&self) {
        self.signal(if self.end_by_interrupt { Signal::INT } else { Signal::TERM });
        self.signal(Signal::CONT);
    }

    /// Kills it and its group.
    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Whether its group has no living member any more, as far as the system tells.
    pub(super) fn is_alone(&self) -> bool {
        !self.own_group || is_empty(self.pid)
    }

    fn signal(&self, signal: Signal) {
        let Some(pid) = pid(self.pid) else { return };
        // All that can go wrong is that nobody is left to hear it.
        let _ = if self.own_group {
            rustix::process::kill_process_group(pid, signal)
        } else {
            rustix::process::kill_process(pid, signal)
        };
    }
}

#[cfg(not(unix))]
impl Leader {
    pub(super) fn wait(&self) {
        let _ = self.child.wait();
    }

    /// There is no way to ask: the grace begins and the program goes on.
    pub(super) fn ask_to_end(&self) {}

    pub(super) fn kill(&self) {
        let _ = self.child.kill();
    }

    pub(super) fn is_alone(&self) -> bool {
        !self.own_group
    }
}

#[cfg(unix)]
fn pid(raw: u32) -> Option<Pid> {
    i32::try_from(raw).ok().and_then(Pid::from_raw)
}

/// Asks a group that this process did not start, or no longer holds, to end.
pub(super) fn ask_to_end(group: u32) {
    #[cfg(unix)]
    if let Some(group) = pid(group) {
        let _ = rustix::process::kill_process_group(group, Signal::TERM);
        let _ = rustix::process::kill_process_group(group, Signal::CONT);
    }
    #[cfg(not(unix))]
    let _ = group;
}

/// Kills a group that this process did not start, or no longer holds.
pub(super) fn kill(group: u32) {
    #[cfg(unix)]
    if let Some(group) = pid(group) {
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
    }
    #[cfg(not(unix))]
    let _ = group;
}

/// Whether nobody alive is in a group. Zombies are not alive: their parent has
/// only not looked yet.
#[cfg(target_os = "linux")]
pub(super) fn is_empty(group: u32) -> bool {
    let Ok(entries) = std::fs::read_dir("/proc") else { return false };
    !entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(Entry::read)
        .any(|entry| entry.group == group && entry.is_alive())
}

/// Elsewhere the signal that tests a group is refused for zombies.
#[cfg(all(unix, not(target_os = "linux")))]
pub(super) fn is_empty(group: u32) -> bool {
    pid(group).is_none_or(|group| rustix::process::test_kill_process_group(group).is_err())
}

#[cfg(not(unix))]
pub(super) fn is_empty(_: u32) -> bool {
    true
}

/// When a process started, in the kernel's ticks since boot, if it is alive; 0
/// where the system does not tell.
#[cfg(target_os = "linux")]
pub(super) fn started(pid: u32) -> Option<u64> {
    Entry::read(pid).filter(Entry::is_alive).map(|entry| entry.started)
}

#[cfg(all(unix, not(target_os = "linux")))]
pub(super) fn started(raw: u32) -> Option<u64> {
    rustix::process::test_kill_process(pid(raw)?).is_ok().then_some(0)
}

#[cfg(not(unix))]
pub(super) fn started(_: u32) -> Option<u64> {
    None
}

/// One line of the kernel's table of processes.
#[cfg(target_os = "linux")]
struct Entry {
    state: char,
    group: u32,
    started: u64,
}

#[cfg(target_os = "linux")]
impl Entry {
    fn read(pid: u32) -> Option<Self> {
        let line = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
        let line = String::from_utf8_lossy(&line);
        // The name stands in parentheses and may contain any character, these too.
        let (_, fields) = line.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        Some(Entry {
            state: fields.first()?.chars().next()?,
            group: fields.get(2)?.parse().ok()?,
            started: fields.get(19)?.parse().ok()?,
        })
    }

    fn is_alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X' | 'x')
    }
}
