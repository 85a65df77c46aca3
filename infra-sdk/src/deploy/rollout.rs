//! The engine: start the new release, wait until it is healthy, or go back to the last good one.

use std::future::Future;
use std::time::{Duration, Instant};

use crate::cancel::CancelToken;
use crate::deploy::progress::Progress;
use crate::deploy::release::{Release, ReleaseId, ReleaseSpec};
use crate::deploy::report::{History, Outcome, RolloutReport, StatusReport};
use crate::deploy::target::{DeployTarget, Observation, Status};
use crate::error::{Error, ErrorKind, Result};

/// The lines of a failed release's log that an error shows.
const SHOWN_LINES: usize = 20;

/// How a rollout waits, and who asks for it.
#[derive(Clone, Debug)]
pub struct RolloutOptions {
    /// How long a release may take to become healthy.
    pub wait: Duration,
    /// The time between two looks; 0.1 s at first, right for a target on this machine.
    pub poll: Duration,
    /// How many past releases are kept to roll back to.
    pub keep: u16,
    /// Whether a new release is made although the same one is running.
    pub force: bool,
    /// Who asks, for the history and for others who find the target locked.
    pub by: String,
    /// Ends the waiting; the last good release is then started again.
    pub cancel: CancelToken,
}

impl RolloutOptions {
    /// What `[deploy]` says, for a rollout asked for by `by`.
    pub fn new(deploy: &crate::config::Deploy, by: impl Into<String>) -> Self {
        RolloutOptions {
            wait: deploy.wait.0,
            poll: Duration::from_millis(100),
            keep: deploy.keep,
            force: false,
            by: by.into(),
            cancel: CancelToken::new(),
        }
    }
}

/// Takes what a rollout tells while it goes on.
pub type OnProgress<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// Makes `spec` the release that runs, and goes back to the last good release by itself when that
/// one does not become healthy in time or when the run is cancelled.
///
/// When the same image with the same settings runs already, nothing is touched. After a rollout that was
/// killed at any step, the same call completes it.
///
/// # Errors
/// - `Failed` when the release did not become healthy, with the reason, the last lines of its
///   log and what serves now;
/// - `Cancelled` when the run was cancelled; what served before then serves again;
/// - `Locked` when another rollout is under way, naming its holder;
/// - what [`DeployTarget::prepare`] fails with; what ran before then still runs.
pub async fn rollout(
    target: &dyn DeployTarget,
    spec: &ReleaseSpec,
    options: &RolloutOptions,
    progress: OnProgress<'_>,
) -> Result<RolloutReport> {
    spec.check()?;
    let engine = Engine { target, options, progress, started: Instant::now() };
    let _claim = target.claim(&options.by).await?;
    let before = target.status().await?;
    if let Some(candidate) = before.candidate() {
        progress(Progress::Interrupted { release: candidate.clone() });
    }
    progress(Progress::Preparing { version: spec.version.clone() });
    let prepared = engine.unless_cancelled(target.prepare(spec, &options.by, options.force)).await;
    let release = match prepared {
        Ok(release) => release,
        // Nothing was touched by this run, but a killed one may have left its candidate running.
        Err(error) if before.candidate().is_some() => return Err(engine.recover(&before, error).await),
        Err(error) => return Err(error),
    };
    if before.current.as_ref() == Some(&release.id)
        && before.candidate().is_none()
        && target.observe(&release.id).await? == Observation::Healthy
    {
        return Ok(engine.report(Outcome::Unchanged, release, &before, before.url.clone()));
    }
    engine.switch(&before, release, Outcome::RolledOut).await
}

/// Starts an earlier release again: `to`, or the accepted one before the current one. After an
/// interrupted rollout, the one that was good before it.
///
/// # Errors
/// `NotFound` when there is no such release, otherwise as [`rollout`].
pub async fn rollback(
    target: &dyn DeployTarget,
    to: Option<&ReleaseId>,
    options: &RolloutOptions,
    progress: OnProgress<'_>,
) -> Result<RolloutReport> {
    let engine = Engine { target, options, progress, started: Instant::now() };
    let _claim = target.claim(&options.by).await?;
    let before = target.status().await?;
    let release = match (to, &before.current) {
        (Some(id), _) => before.release(id).ok_or_else(|| unknown(id, &before))?,
        (None, Some(current)) if before.candidate().is_some() => {
            before.release(current).ok_or_else(|| unknown(current, &before))?
        }
        (None, _) => before.before_current().ok_or_else(|| {
            Error::not_found("there is no earlier release to go back to")
                .hint("look at `infra:deploy:history`, or roll out the version you want")
        })?,
    };
    engine.switch(&before, release.clone(), Outcome::RolledBack).await
}

/// What runs at a target and how it is doing.
///
/// # Errors
/// `Invalid` for damaged records; `Io` or `Unavailable` when the target cannot tell.
pub async fn status(target: &dyn DeployTarget) -> Result<StatusReport> {
    let status = target.status().await?;
    let observation = match &status.active {
        Some(active) => Some(target.observe(active).await?),
        None => None,
    };
    let find = |id: Option<&ReleaseId>| id.and_then(|id| status.release(id)).cloned();
    Ok(StatusReport {
        current: find(status.current.as_ref()),
        candidate: find(status.candidate()),
        observation,
        url: status.url.clone(),
    })
}

/// The releases that are kept.
///
/// # Errors
/// `Invalid` for damaged records; `Io` or `Unavailable` when the target cannot tell.
pub async fn history(target: &dyn DeployTarget) -> Result<History> {
    target.status().await.map(History::from)
}

/// Ends what runs, and says what that was. `None` when nothing ran.
///
/// # Errors
/// `Locked` when a rollout is under way; otherwise as [`DeployTarget::stop`].
pub async fn stop(target: &dyn DeployTarget, by: &str) -> Result<Option<ReleaseId>> {
    let _claim = target.claim(by).await?;
    let active = target.status().await?.active;
    target.stop().await?;
    Ok(active)
}

fn whole_log(release: &Release) -> String {
    format!("see its whole log with `infra:deploy:logs --release {}`", release.id)
}

fn unknown(id: &ReleaseId, status: &Status) -> Error {
    let error = Error::not_found(format!("the release {id} is not kept"));
    match crate::names::nearest(id.as_str(), status.releases.iter().map(|release| release.id.as_str())) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint("take one from `infra:deploy:history`"),
    }
}

/// One rollout under way.
struct Engine<'a> {
    target: &'a dyn DeployTarget,
    options: &'a RolloutOptions,
    progress: OnProgress<'a>,
    started: Instant,
}

impl Engine<'_> {
    /// Puts `release` in the place of what ran `before`, or goes back to that.
    async fn switch(&self, before: &Status, release: Release, outcome: Outcome) -> Result<RolloutReport> {
        (self.progress)(Progress::Activating { release: release.clone() });
        let started = async {
            self.target.activate(&release.id).await?;
            self.healthy(&release).await?;
            self.target.accept(&release.id, self.options.keep).await
        };
        let error = match self.unless_cancelled(started).await {
            Ok(()) => {
                let after = self.target.status().await?;
                let release = after.release(&release.id).cloned().unwrap_or(release);
                return Ok(self.report(outcome, release, before, after.url));
            }
            Err(error) => error,
        };
        // The log must be read before going back: that release has its own.
        let error = self.with_log(error, &release).await;
        Err(self.go_back(before, &release, error).await)
    }

    /// Waits until a release is healthy.
    async fn healthy(&self, release: &Release) -> Result<()> {
        let begun = Instant::now();
        let mut told = String::new();
        loop {
            let why = match self.target.observe(&release.id).await? {
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
            if begun.elapsed() >= self.options.wait {
                let waited = crate::time::human(self.options.wait);
                let what = format!("{release} did not become healthy within {waited}: {why}");
                return Err(Error::new(ErrorKind::Failed, what)
                    .hint("if it only starts slowly or answers elsewhere, set `wait` or `health` under `[deploy]`"));
            }
            if why != told {
                (self.progress)(Progress::Waiting { why: why.clone() });
                told = why;
            }
            tokio::time::sleep(self.options.poll).await;
        }
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

    /// Starts what was good before, and adds to `error` what serves now.
    async fn go_back(&self, before: &Status, failed: &Release, error: Error) -> Error {
        let good = before.current.as_ref().and_then(|id| before.release(id));
        let Some(good) = good.filter(|good| good.id != failed.id && before.active.is_some()) else {
            return self.end(before, failed, error).await;
        };
        (self.progress)(Progress::GoingBack { to: good.clone(), why: error.operation().to_owned() });
        let back = async {
            self.target.activate(&good.id).await?;
            self.healthy(good).await?;
            self.target.accept(&good.id, self.options.keep).await
        };
        match back.await {
            Ok(()) if error.kind() == ErrorKind::Cancelled => error.with("serving again", good),
            Ok(()) => error.with("serving again", good).hint(whole_log(failed)),
            Err(second) => error
                .with("serving", "nothing")
                .hint(format!("{good} did not come back either: {second}"))
                .hint(whole_log(failed))
                .hint("then roll out a version that works"),
        }
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
    async fn recover(&self, before: &Status, error: Error) -> Error {
        match before.candidate().and_then(|id| before.release(id)) {
            Some(candidate) => self.go_back(before, candidate, error).await,
            None => error,
        }
    }

    /// Gives up `work` when the run is cancelled.
    async fn unless_cancelled<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.options.cancel.cancelled() => {
                Err(Error::new(ErrorKind::Cancelled, "the rollout was cancelled").exit_with(130))
            }
            done = work => done,
        }
    }

    fn report(
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
