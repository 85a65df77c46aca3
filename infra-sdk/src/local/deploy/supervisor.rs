//! One supervisor at work: starts its service again and again, and writes down how it is doing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cancel::CancelToken;
use crate::deploy::Release;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::local::deploy::folder::{Active, Folder, Phase, Supervised};
use crate::local::deploy::launch::Launch;
use crate::local::deploy::log::ServiceLog;
use crate::local::deploy::supervise::GRACE;
use crate::local::deploy::{orphans, port};
use crate::mask::Masks;
use crate::process::Cmd;
use crate::time::{Timestamp, human};

/// A service that ran this long before it ended did not fail to start.
const LASTED: Duration = Duration::from_secs(10);

/// Starts in a row that may fail before a supervisor gives up: a release that never was healthy
/// gets few, so that a rollout learns of it soon; one that was gets enough to outlive a short outage of what it needs.
const STARTS_UNPROVEN: u32 = 3;
const STARTS_PROVEN: u32 = 10;

/// One supervisor that has the right to run its service.
pub(super) struct Supervisor {
    pub(super) folder: Folder,
    pub(super) active: Active,
    /// Cancelled when the service is no longer wanted.
    pub(super) stop: CancelToken,
}

impl Supervisor {
    /// Runs the service again and again; why it does not any more.
    pub(super) async fn run(&self) -> Result<String> {
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
    pub(super) fn tell(&self, phase: Phase) {
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
}
