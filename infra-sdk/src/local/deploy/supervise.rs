//! Becoming a supervisor: a second process of the same program, which takes over from the one before it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::cancel::CancelToken;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::file::FileLock;
use crate::local::deploy::folder::{Active, Folder, Phase};
use crate::local::deploy::launch::KEPT;
use crate::local::deploy::supervisor::Supervisor;
use crate::process::{Cmd, Detached};
use crate::process::{EndSignal, on_end_signal};
use crate::time::Timestamp;

/// The first argument that turns a program into a supervisor.
const ASKED: &str = "__infra-supervise";

/// How long a service may take to end when it is asked to.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// How long a supervisor may take to end: its service gets the grace, then what that left behind, and killing takes a moment.
pub(super) const LONGEST_END: Duration = Duration::from_secs(2 * GRACE.as_secs() + 10);

/// How often a supervisor looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(100);

/// Starts `program` as the supervisor of a release, to outlive this process.
pub(super) fn start(program: &Path, machine: &Env, folder: &Folder, active: &Active) -> Result<Detached> {
    let mut cmd = Cmd::new(program)
        .arg(ASKED)
        .arg(folder.path())
        .arg(active.release.as_str())
        .arg(&active.ticket)
        .dir(folder.path())
        // It lives long and needs nothing of the environment it was asked from, which may hold credentials.
        .env_clear();
    for name in KEPT {
        if let Some(value) = machine.path(name) {
            cmd = cmd.env(name, value);
        }
    }
    cmd.start_detached(&folder.supervisor_log())
}

/// Does the work of a supervisor if the arguments of this program ask for it, until its service is no longer wanted.
///
/// The local deploy target runs a service under a second process of the very program that asked for the
/// rollout. So such a program calls this first, before it reads its arguments; [`infra_sdk::main`](crate) does.
///
/// ```
/// fn main() -> std::process::ExitCode {
///     if let Some(code) = infra_sdk::local::supervise_if_asked(std::env::args_os()) {
///         return code;
///     }
///     // The program itself.
///     std::process::ExitCode::SUCCESS
/// }
/// ```
pub fn supervise_if_asked(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut args = args.into_iter().skip(1);
    if args.next()? != ASKED {
        return None;
    }
    Some(match asked(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error is the supervisor's log.
            eprintln!("{} supervisor {}: {}", Timestamp::now(), std::process::id(), error.report());
            ExitCode::FAILURE
        }
    })
}

fn asked(mut args: impl Iterator<Item = OsString>) -> Result<()> {
    let mut next = || {
        args.next().ok_or_else(|| {
            Error::invalid("a supervisor is started by a rollout, not by hand").hint("run `infra:deploy`")
        })
    };
    let folder = Folder::new(PathBuf::from(next()?));
    let text = |value: OsString| value.to_string_lossy().into_owned();
    let active = Active { release: text(next()?).parse()?, ticket: text(next()?) };
    let asked = CancelToken::new();
    let told = asked.clone();
    // Listening for the end of the terminal is what keeps it from ending this process.
    on_end_signal(move |signal| {
        if signal != EndSignal::Hangup {
            told.cancel();
        }
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(Error::from)?;
    runtime.block_on(supervise(folder, active, asked))
}

async fn supervise(folder: Folder, active: Active, asked: CancelToken) -> Result<()> {
    let Some(_right) = right(&folder, &active).await? else { return Ok(()) };
    let stop = CancelToken::new();
    tokio::spawn(watch(folder.clone(), active.clone(), asked, stop.clone()));
    let supervisor = Supervisor { folder, active, stop };
    let why = match supervisor.run().await {
        Ok(why) => why,
        Err(error) => {
            supervisor.tell(Phase::Ended { why: error.to_string() });
            return Err(error);
        }
    };
    supervisor.tell(Phase::Ended { why });
    Ok(())
}

/// Waits for the supervisor before this one to end. `None` when this one is not wanted any more.
///
/// The command writes down what it wants before it looks for supervisors; this takes the lock before
/// it reads what is wanted. So one of the two sees the other, whenever either is killed.
async fn right(folder: &Folder, active: &Active) -> Result<Option<FileLock>> {
    while folder.wants(active)? {
        if let Some(right) = folder.try_supervise()? {
            return Ok(folder.wants(active)?.then_some(right));
        }
        tokio::time::sleep(LOOK / 4).await;
    }
    Ok(None)
}

/// Cancels `stop` when another release is wanted, or when the system asks this process to end.
async fn watch(folder: Folder, active: Active, asked: CancelToken, stop: CancelToken) {
    let unwanted = async {
        // A record that cannot be read is no reason to end a service that works.
        while folder.wants(&active).unwrap_or(true) {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        () = unwanted => {}
        () = asked.cancelled() => {}
    }
    stop.cancel();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_only_a_supervisor_when_asked_with_the_first_argument() {
        let args = |args: &[&str]| supervise_if_asked(args.iter().map(OsString::from));
        assert!(args(&["xtask"]).is_none());
        assert!(args(&["xtask", "deploy", ASKED]).is_none());
        assert!(args(&["xtask", ASKED]).is_some());
    }
}
