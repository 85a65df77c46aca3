//! Telling whether the process that took a lock is still there.

use serde::{Deserialize, Serialize};

/// Which process on which machine: enough to prove, on that machine, that it is gone.
///
/// A process id alone is used again by another process sooner or later, so the time
/// it started stands beside it; and ids mean nothing in another container or
/// after a restart, so the running system and its process namespace do too. It holds for what lies on the machine itself:
/// a machine that was cloned while it ran has the same boot id as the one it was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessMark {
    /// The running system and process namespace the id belongs to.
    pub system: String,
    /// The process id.
    pub pid: u32,
    /// When it started, in the system's own clock ticks.
    pub started: u64,
}

impl ProcessMark {
    /// The mark of this process, where the system tells enough (Linux).
    pub fn of_this_process() -> Option<Self> {
        Self::of(std::process::id())
    }

    /// The mark of a process that runs now, where the system tells enough (Linux).
    pub fn of(pid: u32) -> Option<Self> {
        let (started, gone) = look(pid)?;
        (!gone).then_some(ProcessMark { system: system()?, pid, started })
    }

    /// Whether the process is proved to be gone. `false` also means "cannot tell".
    pub fn is_gone(&self) -> bool {
        if system().as_ref() != Some(&self.system) {
            return false;
        }
        match look(self.pid) {
            Some((started, gone)) => gone || started != self.started,
            None => no_such_process(self.pid),
        }
    }
}

#[cfg(target_os = "linux")]
fn system() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), namespace.display()))
}

/// The start time of a process, and whether it has ended and only waits to be collected.
#[cfg(target_os = "linux")]
fn look(pid: u32) -> Option<(u64, bool)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in brackets and may itself hold spaces and brackets.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let started = fields.get(19)?.parse().ok()?;
    Some((started, matches!(*fields.first()?, "Z" | "X" | "x")))
}

/// Asks the kernel itself: `/proc` may hide the processes of others.
#[cfg(target_os = "linux")]
fn no_such_process(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
}

#[cfg(not(target_os = "linux"))]
fn system() -> Option<String> {
    None
}

#[cfg(not(target_os = "linux"))]
fn look(_: u32) -> Option<(u64, bool)> {
    None
}

#[cfg(not(target_os = "linux"))]
fn no_such_process(_: u32) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_there_and_its_number_with_another_start_is_gone() {
        let mark = ProcessMark::of_this_process().unwrap();
        assert!(!mark.is_gone());
        assert!(ProcessMark { started: mark.started + 1, ..mark }.is_gone());
    }

    #[test]
    fn a_number_that_no_process_has_is_gone_but_only_on_its_own_system() {
        let mark = ProcessMark { pid: i32::MAX as u32, ..ProcessMark::of_this_process().unwrap() };
        assert!(mark.is_gone());
        assert!(!ProcessMark { system: "elsewhere".into(), ..mark }.is_gone());
    }
}
