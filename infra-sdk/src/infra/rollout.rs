//! From a pushed image to a running release: roll out, go back, stop, look.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::deploy::{
    self, Outcome as RolloutOutcome, Progress, Release, ReleaseId, ReleaseSpec, RolloutOptions, RolloutReport,
};
use crate::error::{ErrorKind, Result, ResultExt};
use crate::events::vocabulary;
use crate::infra::open::Infra;
use crate::ledger::{self, Outcome};

/// How long an interrupted rollout may take beside the wait for health.
const STOPPING: Duration = Duration::from_secs(30);

/// What a stop did.
#[derive(Clone, Debug, Serialize)]
pub struct Stopped {
    /// The release that was stopped; `None` when nothing ran.
    pub release: Option<ReleaseId>,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.release {
            Some(release) => write!(f, "stopped release {release}"),
            None => f.write_str("nothing was running"),
        }
    }
}

/// The last lines a release printed.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Log(pub Vec<String>);

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nothing was printed yet");
        }
        f.write_str(&self.0.join("\n"))
    }
}

/// What is to be remembered of a rollout under way.
#[derive(Debug, Default)]
struct Trace {
    started: Mutex<Option<ReleaseId>>,
    went_back: AtomicBool,
}

/// What the ledger needs to know of a release, so that it can be made again when no target keeps it any more.
fn details_of(spec: &ReleaseSpec) -> Vec<(&'static str, String)> {
    vec![
        ("digest", spec.digest.to_string()),
        ("image", spec.image.to_string()),
        ("version", spec.version.clone()),
    ]
}

fn details_of_kept(release: &Release) -> Vec<(&'static str, String)> {
    let digest = release.digest.iter().map(|digest| ("digest", digest.to_string()));
    let more = [("image", release.image.to_string()), ("version", release.version.clone())];
    digest.chain(more).collect()
}

/// What was made anew to go back.
fn back_again(report: RolloutReport) -> RolloutReport {
    match report.outcome {
        RolloutOutcome::RolledOut => RolloutReport { outcome: RolloutOutcome::RolledBack, ..report },
        _ => report,
    }
}

impl Infra {
    /// Whether this program was started to supervise a service; then it has done so, and ends with this code. A
    /// program that deploys to this machine asks first thing; [`main`](crate::main) does.
    pub fn supervise_if_asked() -> Option<std::process::ExitCode> {
        crate::local::supervise_if_asked(std::env::args_os())
    }

    /// The last `lines` lines of a release, masked; `None`: of the one that runs, or ran last.
    ///
    /// # Errors
    /// `NotFound` for a release that is not kept; what the target fails with.
    pub async fn logs(&self, release: Option<&ReleaseId>, lines: usize) -> Result<Log> {
        Ok(Log(self.ports().deploy.logs(release, lines).await?))
    }

    /// Makes a release the one that runs: adds this repo's references and secrets, takes the deploy lock, waits for its
    /// health, and goes back to the last good one by itself when it does not become healthy.
    ///
    /// A reference `network` to a tree with `vpc-id` reaches the service as `NETWORK_VPC_ID`; a variable that the spec
    /// sets itself is left as it is.
    ///
    /// # Errors
    /// `Locked` naming the holder when another deploy runs; `NotFound` listing every secret that is missing;
    /// `Failed` when the release did not become healthy, after going back.
    pub async fn rollout(&self, spec: ReleaseSpec) -> Result<RolloutReport> {
        let spec = self.with_surroundings(spec).await?;
        let details = details_of(&spec);
        let told: BTreeMap<_, _> = details.iter().cloned().collect();
        self.under_lock("deploy", async |options| {
            self.tell_others(vocabulary::DEPLOY_START, told).await?;
            let target = &*self.ports().deploy;
            let trace = Trace::default();
            let result = deploy::rollout(target, &spec, &options, &|step| self.follow(&step, &trace)).await;
            self.note("deploy", spec.image.as_str(), details, trace, result).await
        })
        .await
    }

    /// Makes an earlier release the one that runs: `to`, or the one before the current.
    ///
    /// One that the target no longer keeps is looked up in the ledger, and made anew from its image, with the settings,
    /// references and secrets of today.
    ///
    /// # Errors
    /// `NotFound` when there is none to go back to, or its image is gone; otherwise as [`Infra::rollout`].
    pub async fn rollback(&self, to: Option<&ReleaseId>) -> Result<RolloutReport> {
        let wanted = to.map_or_else(|| "the one before".to_owned(), ToString::to_string);
        self.under_lock("rollback", async |options| {
            let target = &*self.ports().deploy;
            let trace = Trace::default();
            let follow = |step: Progress| self.follow(&step, &trace);
            let again = match to {
                Some(id) => self.recorded_release(id).await,
                None => Ok(None),
            };
            let mut details = Vec::new();
            let result = match again {
                Ok(Some(spec)) => {
                    details = details_of(&spec);
                    deploy::rollout(target, &spec, &options, &follow).await.map(back_again)
                }
                Ok(None) => deploy::rollback(target, to, &options, &follow).await,
                Err(error) => Err(error),
            };
            self.note("rollback", &wanted, details, trace, result).await
        })
        .await
    }

    /// Ends what runs; its releases are kept.
    ///
    /// # Errors
    /// `Locked` when a deploy runs; what the target fails with.
    pub async fn stop(&self) -> Result<Stopped> {
        self.under_lock("stop", async |options| {
            let release = deploy::stop(&*self.ports().deploy, &options.by).await?;
            if let Some(release) = &release {
                self.record("stop", release.as_str(), Outcome::Done, &[]).await?;
            }
            Ok(Stopped { release })
        })
        .await
    }

    /// Does `work` while nobody else deploys this project here; losing the lock cancels it.
    async fn under_lock<T>(
        &self,
        operation: &str,
        work: impl AsyncFnOnce(RolloutOptions) -> Result<T>,
    ) -> Result<T> {
        self.before_change().await?;
        let mut options =
            RolloutOptions::new(&*self.ports().deploy, &self.settings().deploy, ledger::actor(self.env()));
        // Going back means to stop, to start and to wait for health again.
        self.host().needs_grace(options.wait + STOPPING);
        let lock = self.lock("deploy", operation).await?;
        options.cancel = self.host().cancel.child();
        let (lost, cancel) = (lock.lost().clone(), options.cancel.clone());
        let watch = tokio::spawn(async move {
            lost.cancelled().await;
            cancel.cancel();
        });
        let result = work(options).await;
        watch.abort();
        let unlocked = lock.finish().await;
        let value = result?;
        unlocked?;
        Ok(value)
    }

    /// Writes down how a change of what runs ended, and tells the others.
    async fn note(
        &self,
        action: &str,
        subject: &str,
        mut details: Vec<(&'static str, String)>,
        trace: Trace,
        result: Result<RolloutReport>,
    ) -> Result<RolloutReport> {
        let (outcome, event) = match &result {
            Ok(_) => (Outcome::Done, vocabulary::DEPLOY_DONE),
            Err(error) if error.kind() == ErrorKind::Cancelled => {
                (Outcome::Cancelled, vocabulary::DEPLOY_CANCELLED)
            }
            Err(_) if trace.went_back.load(Ordering::Relaxed) && self.serves_again().await => {
                (Outcome::RolledBack, vocabulary::DEPLOY_ROLLED_BACK)
            }
            Err(_) => (Outcome::Failed, vocabulary::DEPLOY_FAILED),
        };
        match &result {
            Ok(RolloutReport { release, .. }) => {
                details.push(("release", release.id.to_string()));
                if details.len() == 1 {
                    details.extend(details_of_kept(release));
                }
            }
            Err(error) => {
                details.push(("why", error.operation().to_owned()));
                let started = trace.started.into_inner().unwrap_or_else(PoisonError::into_inner);
                details.extend(started.map(|id| ("release", id.to_string())));
            }
        }
        // What serves unchanged was recorded when it began to serve, unless that run was killed before it could.
        let recorded = match &result {
            Ok(report) if report.outcome == RolloutOutcome::Unchanged && self.is_recorded(report).await? => {
                Ok(())
            }
            _ => self.record(action, subject, outcome, &details).await,
        };
        let told = self.tell_others(event, details.into_iter().collect::<BTreeMap<_, _>>()).await;
        // The rollout's own failure is the news; trouble with the records is it only when there is no other.
        let report = result?;
        recorded.and(told).context("the release runs, but this could not be noted")?;
        Ok(report)
    }

    /// Tells one step, and notes which release it starts and whether it goes back to the last good one: an error before
    /// anything was touched is no roll back, although an accepted release serves after it, too.
    fn follow(&self, step: &Progress, trace: &Trace) {
        match step {
            Progress::GoingBack { .. } => trace.went_back.store(true, Ordering::Relaxed),
            Progress::Activating { release } => {
                *trace.started.lock().unwrap_or_else(PoisonError::into_inner) = Some(release.id.clone());
            }
            _ => {}
        }
        self.host().tell(&step.to_string());
    }

    /// Whether the ledger says that this release came to serve.
    async fn is_recorded(&self, report: &RolloutReport) -> Result<bool> {
        let filter = ledger::Filter {
            env: Some(self.environment().clone()),
            project: Some(self.settings().project.name.clone()),
            action: None,
        };
        let history = ledger::history(&*self.ports().ledger, &filter, usize::MAX).await?;
        let names = |entry: &ledger::Entry| {
            entry.details.get("release").is_some_and(|id| id == report.release.id.as_str())
        };
        Ok(history.entries.iter().any(|entry| entry.outcome == Outcome::Done && names(entry)))
    }

    /// Whether an accepted release serves now.
    async fn serves_again(&self) -> bool {
        let status = self.ports().deploy.status().await;
        status.is_ok_and(|status| status.current.is_some() && status.current == status.active)
    }
}
