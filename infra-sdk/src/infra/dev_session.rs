//! One `infra:dev` at a time for a repo and an environment, and a guard that ends what it started when it is killed.
//!
//! The run holds a lock that the kernel frees when it dies. The guard is a second process of the same program, which
//! waits for that lock: once it has it, whatever still carries the mark of this session is ended. Where the guard is
//! killed, too, the next run does the same first thing.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::env::{Env, INFRA_DEV};
use crate::error::{Error, ErrorKind, Result};
use crate::file::{self, Access, FileLock};
use crate::local;
use crate::process::{Cmd, Detached, EndSignal, marked, on_end_signal};
use crate::time::Timestamp;

/// The first argument that turns a program into a guard.
const ASKED: &str = "__infra-dev-guard";

/// How long a program may take to end when it is asked to.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// How long a guard may take to end what an earlier run left.
const LEFTOVERS: Duration = Duration::from_secs(GRACE.as_secs() + 12);

/// What a guard needs of the machine; all else stays outside.
const KEPT: [&str; 2] = ["PATH", "SystemRoot"];

/// The right to run this project here, until it is dropped.
#[derive(Debug)]
pub(super) struct Session {
    folder: PathBuf,
    _lock: FileLock,
}

/// Who has the right; only true while the lock is held.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    process: Detached,
    since: Timestamp,
}

/// Ports that were chosen before, so that addresses stay the same.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Ports {
    pub(super) app: Option<u16>,
    pub(super) nats: Option<u16>,
}

impl Session {
    /// Takes the right, and ends what an earlier run left. How many programs that were.
    ///
    /// # Errors
    /// `Locked` with the process that has it.
    pub(super) async fn begin(folder: &Path) -> Result<(Self, usize)> {
        let begun = Instant::now();
        let lock = loop {
            if let Some(lock) = FileLock::try_acquire(&folder.join("session.lock"))? {
                break lock;
            }
            // The holder writes its name right after it took the lock; a guard has none.
            let holder = file::read_json::<Holder>(&holder_file(folder)).ok().flatten();
            if let Some(holder) = holder.filter(|holder| holder.process.is_alive()) {
                let pid = holder.process.pid;
                return Err(Error::new(ErrorKind::Locked, "`infra:dev` of this repo is running already")
                    .with("process", pid)
                    .with("since", holder.since)
                    .hint(format!("end it with Ctrl-C in its terminal, or with `kill {pid}`")));
            }
            if begun.elapsed() > LEFTOVERS {
                return Err(Error::new(ErrorKind::Locked, "what an earlier `infra:dev` left does not end")
                    .with("folder", folder.display())
                    .hint("end it by hand, and run the same command again"));
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        };
        let session = Session { folder: folder.to_owned(), _lock: lock };
        let holder = Holder { process: Detached::this(), since: Timestamp::now() };
        file::write_json(&holder_file(folder), &holder, Access::Private)?;
        let left = end_marked(folder).await?;
        Ok((session, left))
    }

    /// Starts the guard: the running program, which asks [`guard_if_asked`] first thing. Where nobody may look at the
    /// environment of processes it could find nothing, and there is none.
    pub(super) fn start_guard(&self, machine: &Env) -> Result<()> {
        let Some(program) = machine.program().filter(|_| cfg!(target_os = "linux")) else { return Ok(()) };
        let mut cmd = Cmd::new(program).arg(ASKED).arg(&self.folder).dir(&self.folder).env_clear();
        for name in KEPT {
            if let Some(value) = machine.path(name) {
                cmd = cmd.env(name, value);
            }
        }
        cmd.start_detached(&self.folder.join("guard.log")).map(drop)
    }

    /// Lets a program carry the mark of this session.
    pub(super) fn mark(&self, cmd: Cmd) -> Cmd {
        cmd.env(INFRA_DEV, &self.folder)
    }

    /// Ends what outlived the programs it was started by.
    pub(super) async fn end_stragglers(&self) -> Result<()> {
        end_marked(&self.folder).await.map(drop)
    }

    /// The ports to use: those that are `wanted`, else those of the last run where they are free, else others.
    ///
    /// # Errors
    /// `Conflict` naming a wanted port that is taken, `Denied` one that this user may not use.
    pub(super) fn ports(&self, wanted: Ports) -> Result<(u16, u16)> {
        let path = self.folder.join("ports.json");
        // A damaged file costs nothing but other ports.
        let kept = file::read_json::<Ports>(&path).ok().flatten().unwrap_or_default();
        let free = |port: &u16| local::check_free(*port).is_ok();
        if let (Some(app), Some(nats)) = (wanted.app, wanted.nats)
            && app == nats
        {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("the app and its NATS server are both to listen on {app}"),
            )
            .hint(
                "set another `port` under `[deploy]`, or another `nats_port` under `[dev]`, in infra.toml",
            ));
        }
        let app = match wanted.app {
            Some(port) => {
                local::check_free(port).map_err(|error| {
                    error.hint("or, where it is a release of this repo, end that with `infra:deploy:stop`")
                })?;
                port
            }
            None => match kept.app.filter(|port| free(port) && Some(*port) != wanted.nats) {
                Some(port) => port,
                None => other_than(wanted.nats.unwrap_or_default())?,
            },
        };
        let nats = match wanted.nats {
            Some(port) => {
                local::check_free(port).map_err(|error| {
                    Error::new(error.kind(), error.to_string())
                        .hint(format!("end the program that listens on 127.0.0.1:{port}"))
                        .hint("or set another `nats_port` under `[dev]` in infra.toml; without one a free port is chosen")
                })?;
                port
            }
            None => match kept.nats.filter(|port| free(port) && *port != app) {
                Some(port) => port,
                None => other_than(app)?,
            },
        };
        let kept = Ports {
            app: wanted.app.map_or(Some(app), |_| kept.app),
            nats: wanted.nats.map_or(Some(nats), |_| kept.nats),
        };
        file::write_json(&path, &kept, Access::Private)?;
        Ok((app, nats))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(holder_file(&self.folder));
    }
}

fn other_than(taken: u16) -> Result<u16> {
    loop {
        let port = local::choose_port()?;
        if port != taken {
            return Ok(port);
        }
    }
}

fn holder_file(folder: &Path) -> PathBuf {
    folder.join("holder.json")
}

async fn end_marked(folder: &Path) -> Result<usize> {
    let mark = folder.to_string_lossy();
    marked::end(INFRA_DEV, |value| value == mark, GRACE).await
}

/// Does the work of a guard if the arguments of this program ask for it, until the run that it guards is over.
pub(super) fn guard_if_asked(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut args = args.into_iter().skip(1);
    if args.next()? != ASKED {
        return None;
    }
    Some(match guard(args.next()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error is the guard's log.
            eprintln!("{} guard {}: {}", Timestamp::now(), std::process::id(), error.report());
            ExitCode::FAILURE
        }
    })
}

fn guard(folder: Option<OsString>) -> Result<()> {
    let folder = folder.map(PathBuf::from).ok_or_else(|| {
        Error::invalid("a guard is started by `infra:dev`, not by hand").hint("run `infra:dev`")
    })?;
    // What asks the run to end asks this process, too, and the run has to be there for less long than its guard.
    on_end_signal(|_: EndSignal| {})?;
    let _lock = FileLock::acquire(&folder.join("session.lock"))?;
    let _ = std::fs::remove_file(holder_file(&folder));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(Error::from)?;
    let ended = runtime.block_on(end_marked(&folder))?;
    if ended > 0 {
        eprintln!(
            "{} guard {}: ended what its run left running: {ended}",
            Timestamp::now(),
            std::process::id()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> PathBuf {
        let path = std::env::temp_dir().join(format!("infra-sdk-dev-{}", crate::id::short().unwrap()));
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    #[tokio::test]
    async fn a_second_session_is_refused_and_told_who_has_the_first() {
        let folder = scratch();
        let (session, left) = Session::begin(&folder).await.unwrap();
        assert_eq!(left, 0);
        let error = Session::begin(&folder).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked);
        assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
        assert!(error.hints()[0].contains("kill"));
        drop(session);
        drop(Session::begin(&folder).await.unwrap());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn ports_stay_from_run_to_run_and_a_taken_one_is_named() {
        let folder = scratch();
        let (session, _) = Session::begin(&folder).await.unwrap();
        let (app, nats) = session.ports(Ports::default()).unwrap();
        assert_ne!(app, nats);
        assert_eq!(session.ports(Ports::default()).unwrap(), (app, nats));
        let taken = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, app)).unwrap();
        let (other, same) = session.ports(Ports::default()).unwrap();
        assert!(other != app && same == nats);
        let error = session.ports(Ports { app: Some(app), nats: None }).unwrap_err();
        assert!(error.to_string().contains(&app.to_string()) && error.hints().len() == 3, "{error:?}");
        let error = session.ports(Ports { app: None, nats: Some(app) }).unwrap_err();
        assert!(error.hints()[1].contains("nats_port"), "{error:?}");
        drop(taken);
        drop(session);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_program_is_only_a_guard_when_asked_with_the_first_argument() {
        let args = |args: &[&str]| guard_if_asked(args.iter().map(OsString::from));
        assert!(args(&["xtask"]).is_none());
        assert!(args(&["xtask", "infra:dev", ASKED]).is_none());
        assert!(args(&["xtask", ASKED]).is_some());
    }
}
