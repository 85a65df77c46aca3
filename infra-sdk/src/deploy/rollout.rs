//! What people ask of a target: roll out, roll back, tell, stop.

use std::time::{Duration, Instant};

use crate::cancel::CancelToken;
use crate::deploy::engine::Engine;
use crate::deploy::habits::Habits;
use crate::deploy::progress::Progress;
use crate::deploy::release::{Release, ReleaseId, ReleaseSpec};
use crate::deploy::report::{History, Outcome, RolloutReport, StatusReport};
use crate::deploy::target::{DeployTarget, Observation, Status};
use crate::error::{Error, Result};

/// How a rollout waits, and who asks for it.
#[derive(Clone, Debug)]
pub struct RolloutOptions {
    /// How long a release may take to become healthy; at first what `[deploy]` says, or else the target.
    pub wait: Duration,
    /// The time between two looks; at first what the target says.
    pub poll: Duration,
    /// The percent of requests that a new release gets, one step after the other; empty: all at once.
    pub steps: Vec<u8>,
    /// How long it must stay healthy at each of them before the next.
    pub step_wait: Duration,
    /// How many past releases are kept to roll back to.
    pub keep: u16,
    /// Whether a new release is made although the same one is running.
    pub force: bool,
    /// Who asks, for the history and for others who find the target locked.
    pub by: String,
    /// Ends the waiting; the last good release is then started again.
    pub cancel: CancelToken,
    /// Ends everything at once, for somebody else may change now what runs: nothing more is touched.
    pub lost: CancelToken,
}

impl RolloutOptions {
    /// What `[deploy]` says, and the target's habits, for a rollout asked for by `by`.
    pub fn new(target: &dyn DeployTarget, deploy: &crate::config::Deploy, by: impl Into<String>) -> Self {
        let Habits { wait, poll, .. } = target.habits();
        RolloutOptions {
            wait: deploy.wait.map_or(wait, |wait| wait.0),
            poll,
            steps: deploy.steps.clone(),
            step_wait: deploy.step_wait.0,
            keep: deploy.keep,
            force: false,
            by: by.into(),
            cancel: CancelToken::new(),
            lost: CancelToken::new(),
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
    check_steps(target, options)?;
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
    let release = earlier(&before, to)?.clone();
    engine.switch(&before, release, Outcome::RolledBack).await
}

/// The release that is gone back to.
pub(super) fn earlier<'a>(before: &'a Status, to: Option<&ReleaseId>) -> Result<&'a Release> {
    match (to, &before.current) {
        (Some(id), _) => before.release(id).ok_or_else(|| unknown(id, before)),
        (None, Some(current)) if before.candidate().is_some() => {
            before.release(current).ok_or_else(|| unknown(current, before))
        }
        (None, _) => before.before_current().ok_or_else(|| {
            Error::not_found("there is no earlier release to go back to")
                .hint("look at `infra:deploy:history`, or roll out the version you want")
        }),
    }
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
        warning: target.warning().await?,
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

/// Steps that would not be taken are refused: whoever asks for them counts on them.
fn check_steps(target: &dyn DeployTarget, options: &RolloutOptions) -> Result<()> {
    if options.steps.is_empty() || target.habits().shares {
        return Ok(());
    }
    Err(Error::invalid("this target gives a release all requests at once, and knows no steps")
        .hint("take `steps` out of `[deploy]` for this environment"))
}

fn unknown(id: &ReleaseId, status: &Status) -> Error {
    let error = Error::not_found(format!("the release {id} is not kept"));
    match crate::names::nearest(id.as_str(), status.releases.iter().map(|release| release.id.as_str())) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint("take one from `infra:deploy:history`"),
    }
}
