//! A deploy that an agent started: it ends when its agent is gone, and never runs beside the attempt before it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::cancel::CancelToken;
use crate::env::{Env, INFRA_RUN_GUARD, INFRA_RUN_MARK};
use crate::error::{Error, ErrorKind, Result};
use crate::file::FileLock;
use crate::infra::runs_attempt;

/// After how long it is said what is waited for.
const SAID_AFTER: Duration = Duration::from_secs(2);

/// How often a lock is asked for that another attempt holds.
const PAUSE: Duration = Duration::from_millis(50);

/// One attempt of an agent at this repo, for as long as this process runs.
#[derive(Debug)]
pub(super) struct Attempt {
    alone: CancelToken,
    guard: PathBuf,
    _lock: FileLock,
}

impl Attempt {
    /// Cancelled when the agent is gone.
    pub(super) fn alone(&self) -> &CancelToken {
        &self.alone
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        runs_attempt::end(&self.guard);
    }
}

/// Waits until no earlier attempt at this repo runs on this machine any more, nor a program of one that was killed; `None` in
/// a process that no agent started.
///
/// # Errors
/// `Cancelled` when the agent goes in the meantime; `Denied` or `Io` when the file cannot be locked; `Unavailable` when a
/// program of an attempt that was killed does not end.
pub(super) fn enter(env: &Env, mut say: impl FnMut(&str)) -> Result<Option<Attempt>> {
    let Some(guard) = env.path(INFRA_RUN_GUARD) else { return Ok(None) };
    let alone = CancelToken::new();
    // A person at a terminal is no agent, whatever the variable says.
    if !env.stdin_is_terminal() {
        watch(&alone)?;
    }
    let lock = wait(&guard, &alone, &mut say)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    match runtime.block_on(runs_attempt::end_left(&guard, None))? {
        0 => {}
        1 => say("ended a program that an attempt left running when it was killed"),
        left => say(&format!("ended {left} programs that an attempt left running when it was killed")),
    }
    runs_attempt::begin(&guard, env.get(INFRA_RUN_MARK).unwrap_or_default())?;
    Ok(Some(Attempt { alone, guard, _lock: lock }))
}

/// Cancels `alone` at the end of standard input, which the agent holds open and never writes to.
fn watch(alone: &CancelToken) -> Result<()> {
    let alone = alone.clone();
    let body = move || {
        let mut input = std::io::stdin().lock();
        let mut nothing = [0; 64];
        loop {
            match input.read(&mut nothing) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        alone.cancel();
    };
    let started = std::thread::Builder::new().name("agent".into()).spawn(body);
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
