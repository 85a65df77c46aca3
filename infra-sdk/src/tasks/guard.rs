//! A deploy that an agent started: it ends when its agent is gone, and never runs beside the attempt before it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::cancel::CancelToken;
use crate::env::{Env, INFRA_RUN_GUARD, INFRA_RUN_MARK, INFRA_RUN_SILENCE};
use crate::error::{Error, ErrorKind, Result};
use crate::file::FileLock;
use crate::infra::runs_attempt;

/// After how long it is said what is waited for.
const SAID_AFTER: Duration = Duration::from_secs(2);

/// How often a lock is asked for that another attempt holds.
const PAUSE: Duration = Duration::from_millis(50);

/// A second look at one who is silent: where all of this machine stood still, both wake up.
const LAST_CALL: Duration = Duration::from_secs(1);

/// How a process began.
#[derive(Debug)]
pub(super) enum Entered {
    /// No agent started it.
    ByHand,
    /// It is an attempt of an agent.
    Attempt(Attempt),
    /// There is nothing to do: an attempt of the same run had ended well.
    AlreadyDeployed,
}

/// One attempt of an agent at this repo, for as long as this process runs.
#[derive(Debug)]
pub(super) struct Attempt {
    alone: CancelToken,
    guard: PathBuf,
    mark: String,
    well: bool,
    _lock: FileLock,
}

impl Attempt {
    /// Cancelled when the agent is gone, or stands still.
    pub(super) fn alone(&self) -> &CancelToken {
        &self.alone
    }

    /// It did what it was to do.
    pub(super) fn ended_well(&mut self) {
        self.well = true;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        runs_attempt::end(&self.guard, &self.mark, self.well);
    }
}

/// Waits until no earlier attempt at this repo runs on this machine any more, nor a program of one that was killed.
///
/// # Errors
/// `Cancelled` when the agent goes in the meantime; `Denied` or `Io` when the file cannot be locked; `Unavailable` when a
/// program of an attempt that was killed does not end.
pub(super) fn enter(env: &Env, mut say: impl FnMut(&str)) -> Result<Entered> {
    let Some(guard) = env.path(INFRA_RUN_GUARD) else { return Ok(Entered::ByHand) };
    let alone = CancelToken::new();
    // A person at a terminal is no agent, whatever the variable says.
    if !env.stdin_is_terminal() {
        watch(
            &alone,
            env.get(INFRA_RUN_SILENCE).and_then(|text| text.parse().ok()).map(Duration::from_millis),
        )?;
    }
    let lock = wait(&guard, &alone, &mut say)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    match runtime.block_on(runs_attempt::end_left(&guard, None))? {
        0 => {}
        1 => say("ended a program that an attempt left running when it was killed"),
        left => say(&format!("ended {left} programs that an attempt left running when it was killed")),
    }
    let mark = env.get(INFRA_RUN_MARK).unwrap_or_default().to_owned();
    if let Some(before) = runs_attempt::had_ended_well(&guard, &mark)? {
        say(&format!(
            "attempt {before} of this run had ended well, which its agent could not tell; it is not begun again"
        ));
        return Ok(Entered::AlreadyDeployed);
    }
    runs_attempt::begin(&guard, &mark)?;
    Ok(Entered::Attempt(Attempt { alone, guard, mark, well: false, _lock: lock }))
}

/// Cancels `alone` at the end of standard input, which the agent holds open, and when nothing came over it for `silence`.
/// An agent of a version that shows no such signs of life sets none.
fn watch(alone: &CancelToken, silence: Option<Duration>) -> Result<()> {
    let (heard, hears) = channel();
    let mut input = own_input()?;
    spawn("agent", move || {
        let mut beats = [0; 4096];
        loop {
            match input.read(&mut beats) {
                Ok(0) => break,
                Ok(_) if heard.send(()).is_ok() => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => break,
            }
        }
    })?;
    let alone = alone.clone();
    spawn("silence", move || {
        while lives(&hears, silence) {}
        alone.cancel();
    })
}

/// Standard input for this process alone: a program that is given it would read the signs of life, and be heard as silence here.
#[cfg(unix)]
fn own_input() -> Result<std::fs::File> {
    use std::os::fd::AsFd;
    let failed = |error: std::io::Error| {
        Error::from(error).hint("the system may be out of files: end what is not needed, then run it again")
    };
    let input = std::io::stdin().as_fd().try_clone_to_owned().map_err(failed)?;
    let nothing = std::fs::File::open("/dev/null").map_err(failed)?;
    rustix::stdio::dup2_stdin(nothing).map_err(|error| failed(error.into()))?;
    Ok(input.into())
}

#[cfg(not(unix))]
fn own_input() -> Result<std::io::Stdin> {
    Ok(std::io::stdin())
}

/// Whether the next sign of life came in time.
fn lives(hears: &Receiver<()>, silence: Option<Duration>) -> bool {
    let Some(silence) = silence else { return hears.recv().is_ok() };
    match hears.recv_timeout(silence) {
        Ok(()) => true,
        Err(RecvTimeoutError::Timeout) => hears.recv_timeout(LAST_CALL).is_ok(),
        Err(RecvTimeoutError::Disconnected) => false,
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<()> {
    let started = std::thread::Builder::new().name(name.into()).spawn(body);
    started.map(drop).map_err(|error| {
        Error::new(ErrorKind::Unavailable, "watch whether the agent is there")
            .because(error)
            .hint("the system may be out of threads or memory")
    })
}

fn wait(path: &Path, alone: &CancelToken, mut say: impl FnMut(&str)) -> Result<FileLock> {
    let (begun, mut said) = (Instant::now(), false);
    loop {
        if let Some(lock) = FileLock::try_acquire(path)? {
            return Ok(lock);
        }
        if alone.is_cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, "the agent that started this deploy is gone")
                .exit_with(130)
                .hint("nothing was begun; another agent takes it over"));
        }
        if !said && begun.elapsed() >= SAID_AFTER {
            said = true;
            say("waiting for an earlier attempt at this repo to end");
        }
        std::thread::sleep(PAUSE);
    }
}
