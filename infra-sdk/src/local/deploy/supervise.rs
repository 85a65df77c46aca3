//! The supervisor: keeps one release's service running for as long as it is wanted.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cancel::CancelToken;
use crate::deploy::Release;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::file::FileLock;
use crate::local::deploy::folder::{Active, Folder, Phase, Supervised};
use crate::local::deploy::launch::{KEPT, Launch};
use crate::local::deploy::log::ServiceLog;
use crate::local::deploy::{orphans, port};
use crate::mask::Masks;
use crate::process::{Cmd, Detached};
use crate::time::{Timestamp, human};

/// The first argument that turns a program into a supervisor.
const ASKED: &str = "__infra-supervise";

/// How long a service may take to end when it is asked to.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// How long a supervisor may take to end: its service gets the grace, then what that left behind, and killing takes a moment.
pub(super) const LONGEST_END: Duration = Duration::from_secs(2 * GRACE.as_secs() + 10);

/// How often a supervisor looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(100);

/// A service that ran this long before it ended did not fail to start.
const LASTED: Duration = Duration::from_secs(10);

/// Starts in a row that may fail before a supervisor gives up: a release that never was healthy
/// gets few, so that a rollout learns of it soon; one that was gets enough to outlive a short outage of what it needs.
const STARTS_UNPROVEN: u32 = 3;
const STARTS_PROVEN: u32 = 10;

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
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::from)?;
    runtime.block_on(supervise(folder, active))
}

async fn supervise(folder: Folder, active: Active) -> Result<()> {
    let Some(_right) = right(&folder, &active).await? else { return Ok(()) };
    let stop = CancelToken::new();
    tokio::spawn(watch(folder.clone(), active.clone(), stop.clone()));
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
async fn watch(folder: Folder, active: Active, stop: CancelToken) {
    let unwanted = async {
        // A record that cannot be read is no reason to end a service that works.
        while folder.wants(&active).unwrap_or(true) {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        () = unwanted => {}
        () = asked_to_end() => {}
    }
    stop.cancel();
}

#[cfg(unix)]
async fn asked_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    // Listening for it is what keeps the end of a terminal from ending this process.
    let _hangup = signal(SignalKind::hangup());
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    terminate.recv().await;
}

#[cfg(not(unix))]
async fn asked_to_end() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

/// One supervisor that has the right to run its service.
struct Supervisor {
    folder: Folder,
    active: Active,
    stop: CancelToken,
}

impl Supervisor {
    /// Runs the service again and again; why it does not any more.
    async fn run(&self) -> Result<String> {
        self.tell(Phase::Starting);
        let dir = self.folder.release_dir(&self.active.release);
        let missing = || {
            Error::not_found(format!("the release {} is not complete", self.active.release))
                .hint("roll it out again")
        };
        let release = self.folder.release(&self.active.release)?.ok_or_else(missing)?;
        let launch = Launch::load(&dir)?.ok_or_else(missing)?;
        let machine = Env::of_process()?;
        let log = Arc::new(ServiceLog::open(&dir)?);
        let masks = Masks::new();
        launch.secrets().for_each(|value| masks.add(value));
        let (mut failures, mut pause) = (0, Pause::new());
        loop {
            let begun = Instant::now();
            let cmd = launch.command(&self.folder, &release, &machine)?;
            let cmd = cmd.masks(masks.clone()).sink(log.clone()).grace(GRACE).cancel(self.stop.child());
            let why = match self.serve(&release, cmd, &log).await {
                Ok(()) => "it ended by itself".to_owned(),
                Err(error) => reason(&error),
            };
            if self.stop.is_cancelled() {
                log.note("stopped");
                return Ok("it was stopped".into());
            }
            if begun.elapsed() >= LASTED {
                (failures, pause) = (0, Pause::new());
            }
            failures += 1;
            if failures >= self.allowed()? {
                let why = format!("{why}; given up after {failures} starts");
                log.note(&why);
                return Ok(why);
            }
            let time = pause.next();
            log.note(&format!("{why}; starting again in {}", human(time)));
            self.tell(Phase::Restarting { why });
            tokio::select! {
                () = self.stop.cancelled() => return Ok("it was stopped".into()),
                () = tokio::time::sleep(time) => {}
            }
        }
    }

    /// Runs the service once, after making room for it: what a killed supervisor left is
    /// ended, and nobody else may have the port, or the health of a stranger would be taken for the release's own.
    async fn serve(&self, release: &Release, cmd: Cmd, log: &ServiceLog) -> Result<()> {
        orphans::end(&self.folder, GRACE).await?;
        release.port.map_or(Ok(()), port::check_free)?;
        log.note(&format!("starting {release}"));
        self.tell(Phase::Running { since: Timestamp::now() });
        let ended = cmd.run().await;
        // What it started itself may have stayed behind.
        orphans::end(&self.folder, GRACE).await?;
        ended
    }

    /// How many starts may fail now; a release is proven from the moment it was accepted.
    fn allowed(&self) -> Result<u32> {
        let proven =
            self.folder.release(&self.active.release)?.is_some_and(|release| release.accepted.is_some());
        Ok(if proven { STARTS_PROVEN } else { STARTS_UNPROVEN })
    }

    /// Writes down how the service is doing. A full disk must not end a service that works.
    fn tell(&self, phase: Phase) {
        let supervised = Supervised { active: self.active.clone(), pid: std::process::id(), phase };
        if let Err(error) = self.folder.set_supervised(&supervised) {
            eprintln!("{} supervisor {}: {}", Timestamp::now(), supervised.pid, error.report());
        }
    }
}

/// How a service ended, in a few words.
fn reason(error: &Error) -> String {
    let fact =
        |wanted: &str| error.context().find(|(key, _)| *key == wanted).map(|(_, value)| value.to_owned());
    match (fact("exit code"), fact("signal")) {
        (Some(code), _) => format!("it ended with exit code {code}"),
        (None, Some(signal)) => format!("it was ended by signal {signal}"),
        (None, None) => error.to_string(),
    }
}

/// The time between two starts: 0.2 s, doubling to 10 s.
struct Pause(Duration);

impl Pause {
    fn new() -> Self {
        Pause(Duration::from_millis(200))
    }

    fn next(&mut self) -> Duration {
        let now = self.0;
        self.0 = (now * 2).min(Duration::from_secs(10));
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_ten_seconds() {
        let mut pause = Pause::new();
        let times: Vec<u128> = (0..8).map(|_| pause.next().as_millis()).collect();
        assert_eq!(times, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    }

    #[test]
    fn a_program_is_only_a_supervisor_when_asked_with_the_first_argument() {
        let args = |args: &[&str]| supervise_if_asked(args.iter().map(OsString::from));
        assert!(args(&["xtask"]).is_none());
        assert!(args(&["xtask", "deploy", ASKED]).is_none());
        assert!(args(&["xtask", ASKED]).is_some());
    }
}
