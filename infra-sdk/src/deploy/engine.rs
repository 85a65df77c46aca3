//! The engine: start a release, wait until it is healthy, or go back to the last good one.

use std::future::Future;
use std::time::{Duration, Instant};

use crate::deploy::progress::Progress;
use crate::deploy::release::{Release, ReleaseId};
use crate::deploy::report::{Outcome, RolloutReport};
use crate::deploy::rollout::{OnProgress, RolloutOptions};
use crate::deploy::target::{DeployTarget, Observation, Status};
use crate::error::{Error, ErrorKind, Result};

/// The lines of a failed release's log that an error shows.
const SHOWN_LINES: usize = 20;

/// What takes a target longer than this is told, and no look at a release counts for more: a service that is asked too often
/// answers only after minutes, which says nothing about the release.
const HELD_BACK: Duration = Duration::from_secs(30);

/// One rollout under way.
pub(super) struct Engine<'a> {
    pub(super) target: &'a dyn DeployTarget,
    pub(super) options: &'a RolloutOptions,
    pub(super) progress: OnProgress<'a>,
    pub(super) started: Instant,
}

impl Engine<'_> {
    /// Puts `release` in the place of what ran `before`, or goes back to that.
    pub(super) async fn switch(
        &self,
        before: &Status,
        release: Release,
        outcome: Outcome,
    ) -> Result<RolloutReport> {
        (self.progress)(Progress::Activating { release: release.clone() });
        let activated = match self.unless_cancelled(self.begin(before, &release, outcome)).await {
            Err(error) if error.kind() != ErrorKind::Cancelled => match self.untouched(before).await {
                Some(good) => return Err(error.with("serving", good)),
                None => Err(error),
            },
            activated => activated,
        };
        let started = async {
            for step in activated? {
                self.share(&release, step).await?;
            }
            self.healthy(&release).await?;
            self.patiently(self.target.accept(&release.id, self.options.keep)).await
        };
        let error = match self.unless_cancelled(started).await {
            Ok(()) => {
                let after = self.target.status().await?;
                let release = after.release(&release.id).cloned().unwrap_or(release);
                return Ok(self.report(outcome, release, before, after.url));
            }
            Err(error) if self.options.lost.is_cancelled() => return Err(error),
            Err(error) => error,
        };
        // The log must be read before going back: that release has its own.
        let error = self.with_log(error, &release).await;
        Err(self.go_back(before, &release, error).await)
    }

    /// Waits until a release is healthy.
    pub(super) async fn healthy(&self, release: &Release) -> Result<()> {
        let (begun, mut held) = (Instant::now(), Duration::ZERO);
        let mut told = String::new();
        loop {
            let asked = Instant::now();
            let seen = self.patiently(self.target.observe(&release.id)).await;
            held += asked.elapsed().saturating_sub(HELD_BACK);
            let seen = match seen {
                // A service that is asked too often, or away for a moment, says nothing about the release.
                Err(error) if error.is_retryable() => Observation::Starting { why: error.to_string() },
                seen => seen?,
            };
            let why = match seen {
                Observation::Healthy => {
                    (self.progress)(Progress::Healthy { release: release.clone(), after: begun.elapsed() });
                    return Ok(());
                }
                Observation::Unhealthy { why } => {
                    return Err(Error::new(
                        ErrorKind::Failed,
                        format!("{release} did not become healthy: {why}"),
                    ));
                }
                Observation::Starting { why } => why,
            };
            if begun.elapsed().saturating_sub(held) >= self.options.wait {
                let waited = crate::time::human(self.options.wait);
                let what = format!("{release} did not become healthy within {waited}: {why}");
                return Err(Error::new(ErrorKind::Failed, what).hint(
                    "if it only starts slowly or answers elsewhere, set `wait` or `health` under `[deploy]`",
                ));
            }
            if why != told {
                (self.progress)(Progress::Waiting { why: why.clone() });
                told = why;
            }
            tokio::time::sleep(self.options.poll).await;
        }
    }

    /// Waits for what a target does, and says so when that takes long.
    pub(super) async fn patiently<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        if let Ok(done) = tokio::time::timeout(HELD_BACK, &mut work).await {
            return done;
        }
        let why = format!(
            "no answer for {}; a service that is asked too often answers later",
            crate::time::human(HELD_BACK)
        );
        (self.progress)(Progress::Waiting { why });
        work.await
    }

    /// What served before and serves still, after the next one could not be started: then there is nothing to go back to.
    async fn untouched<'b>(&self, before: &'b Status) -> Option<&'b Release> {
        let active = before.active.as_ref().filter(|active| before.current.as_ref() == Some(*active))?;
        let now = self.target.status().await.ok()?;
        let healthy = now.active.as_ref() == Some(active)
            && self.target.observe(active).await.ok()? == Observation::Healthy;
        before.release(active).filter(|_| healthy)
    }

    /// Adds the last lines a release printed.
    async fn with_log(&self, error: Error, release: &Release) -> Error {
        if error.kind() == ErrorKind::Cancelled || std::error::Error::source(&error).is_some() {
            return error;
        }
        match self.target.logs(Some(&release.id), SHOWN_LINES).await {
            Ok(lines) if !lines.is_empty() => {
                error.because(format!("the last lines of its log are\n{}", lines.join("\n")))
            }
            Ok(_) => error.because("it printed nothing"),
            Err(unread) => error.because(unread),
        }
    }

    /// Starts what was good before, and adds to `error` what serves now; unless that is somebody else's by now.
    async fn go_back(&self, before: &Status, failed: &Release, error: Error) -> Error {
        if let Some(others) = self.set_by_others(before, failed).await {
            return error.with("serving", others).hint(
                "somebody else has set that meanwhile, so it was left as it is; see `infra:deploy:status`",
            );
        }
        tokio::select! {
            biased;
            () = self.options.lost.cancelled() => self.lost(),
            error = self.go_back_now(before, failed, error) => error,
        }
    }

    /// What runs, where that is neither the release that failed nor one from before.
    async fn set_by_others(&self, before: &Status, failed: &Release) -> Option<ReleaseId> {
        let active = self.target.status().await.ok()?.active?;
        let known = [Some(&failed.id), before.active.as_ref(), before.current.as_ref()];
        (!known.contains(&Some(&active))).then_some(active)
    }

    fn lost(&self) -> Error {
        Error::new(ErrorKind::Conflict, "the lock of the rollout was lost, so nothing more was touched")
            .hint("another run may have taken it: see `infra:deploy:status` and `infra:ledger:show`")
    }

    async fn go_back_now(&self, before: &Status, failed: &Release, error: Error) -> Error {
        let good = before.current.as_ref().and_then(|id| before.release(id));
        let Some(good) = good.filter(|good| good.id != failed.id && before.active.is_some()) else {
            return self.end(before, failed, error).await;
        };
        (self.progress)(Progress::GoingBack { to: good.clone(), why: error.operation().to_owned() });
        let back = async {
            self.patiently(self.target.activate(&good.id)).await?;
            self.healthy(good).await?;
            self.patiently(self.target.accept(&good.id, self.options.keep)).await
        };
        match back.await {
            Ok(()) => {
                let cancelled = error.kind() == ErrorKind::Cancelled;
                let error = error.with("serving again", self.as_it_is_now(good).await);
                if cancelled { error } else { error.hint(whole_log(failed)) }
            }
            Err(second) => error
                .with("serving", self.serving().await)
                .hint(format!("{good} did not come back either: {second}"))
                .hint(whole_log(failed))
                .hint("then roll out a version that works"),
        }
    }

    /// A release that is back, by the id it has now: what the target could not start again was made once more.
    async fn as_it_is_now(&self, good: &Release) -> Release {
        let now = self.target.status().await.ok();
        let active = now.as_ref().and_then(|now| now.release(now.active.as_ref()?)).cloned();
        active.unwrap_or_else(|| good.clone())
    }

    /// What serves after neither of two releases could be made to. Where the target cannot tell, nobody knows: a service
    /// elsewhere goes on without this program.
    async fn serving(&self) -> String {
        let told = async {
            let now = self.target.status().await?;
            let Some(active) = &now.active else { return Ok("nothing".to_owned()) };
            let name = now.release(active).map_or_else(|| active.to_string(), Release::to_string);
            Ok(match self.target.observe(active).await? {
                Observation::Healthy => name,
                // Elsewhere what ran before goes on for a while, and the target says so.
                other => format!("nothing for certain, {name} is {other}"),
            })
        };
        told.await.unwrap_or_else(|_: Error| "unknown".into())
    }

    /// Stops a release that failed and has nothing to go back to.
    async fn end(&self, before: &Status, failed: &Release, error: Error) -> Error {
        if before.current.as_ref() == Some(&failed.id) && before.active.is_some() {
            // It was good once, so what it waits for may come back; stopping it would take that chance.
            return error
                .hint(whole_log(failed))
                .hint("it is the current release, so it was left as it is")
                .hint("go back to the one before it with `infra:deploy:rollback`");
        }
        let why = error.operation().to_owned();
        (self.progress)(Progress::Stopping { why });
        let error = match self.target.stop().await {
            Ok(()) => error.with("serving", "nothing"),
            Err(second) => {
                error.with("serving", "unknown").hint(format!("it could not be stopped: {second}"))
            }
        };
        if before.current.is_none() {
            error.hint(
                "this was the first release, so there is none to go back to; correct it and roll out again",
            )
        } else {
            error.hint("the project was stopped before, so it is stopped again; see `infra:deploy:history`")
        }
    }

    /// After a failure before anything was started: takes back what a killed rollout left.
    pub(super) async fn recover(&self, before: &Status, error: Error) -> Error {
        match before.candidate().and_then(|id| before.release(id)) {
            Some(candidate) => self.go_back(before, candidate, error).await,
            None => error,
        }
    }

    /// Gives up `work` when the run is cancelled.
    pub(super) async fn unless_cancelled<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.options.lost.cancelled() => Err(self.lost()),
            () = self.options.cancel.cancelled() => {
                Err(Error::new(ErrorKind::Cancelled, "the rollout was cancelled").exit_with(130))
            }
            done = work => done,
        }
    }

    pub(super) fn report(
        &self,
        outcome: Outcome,
        release: Release,
        before: &Status,
        url: Option<String>,
    ) -> RolloutReport {
        let served =
            before.current.as_ref().filter(|id| **id != release.id).and_then(|id| before.release(id));
        RolloutReport { outcome, before: served.cloned(), release, url, took: self.started.elapsed() }
    }
}

fn whole_log(release: &Release) -> String {
    format!("see its whole log with `infra:deploy:logs --release {}`", release.id)
}
