//! How a rollout is told while it goes on, and what the ledger and the others learn of its end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::deploy::{
    Outcome as RolloutOutcome, Progress, Release, ReleaseId, ReleaseSpec, RolloutReport, Status,
};
use crate::error::{ErrorKind, Result, ResultExt};
use crate::events::vocabulary;
use crate::infra::events_deploy::Course;
use crate::infra::open::Infra;
use crate::ledger::{self, Outcome};

/// What is to be remembered of a rollout under way, and who tells of it.
pub(super) struct Trace {
    started: Mutex<Option<ReleaseId>>,
    went_back: AtomicBool,
    course: Course,
}

impl Trace {
    pub(super) fn new(course: Course) -> Self {
        Trace { started: Mutex::default(), went_back: AtomicBool::default(), course }
    }
}

/// What the ledger needs to know of a release, so that it can be made again when no target keeps it any more.
pub(super) fn details_of(spec: &ReleaseSpec) -> Vec<(&'static str, String)> {
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
pub(super) fn back_again(report: RolloutReport) -> RolloutReport {
    match report.outcome {
        RolloutOutcome::RolledOut => RolloutReport { outcome: RolloutOutcome::RolledBack, ..report },
        _ => report,
    }
}

/// What a stop is called in the ledger.
const STOP: &str = "stop";

impl Infra {
    /// Writes down how a change of what runs ended, and tells the others.
    pub(super) async fn note(
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
            Err(_) => match self.gone_back_to(&trace).await {
                Some(release) => {
                    trace.course.went_back(&release);
                    // A person who stops a deploy while it waits for health is who makes it go back.
                    let is_cancelled = self.host().cancel.is_cancelled();
                    let event =
                        if is_cancelled { vocabulary::DEPLOY_CANCELLED } else { vocabulary::DEPLOY_FAILED };
                    (Outcome::RolledBack, event)
                }
                None => (Outcome::Failed, vocabulary::DEPLOY_FAILED),
            },
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
        let is_recorded = match &result {
            Ok(report) if report.outcome == RolloutOutcome::Unchanged => self.is_recorded(report).await,
            _ => Ok(false),
        };
        let recorded = match is_recorded {
            Ok(true) => Ok(()),
            Ok(false) => self.record(action, subject, outcome, &details).await,
            Err(error) => Err(error),
        };
        trace.course.end(event, &details).await;
        // The rollout's own failure is the news; trouble with the record is it only when there is no other.
        let report = result?;
        recorded.context("the release runs, but this could not be noted")?;
        Ok(report)
    }

    /// Writes down a stop: also one that did not come to its end, and one that a killed run could not note.
    pub(super) async fn note_stop(&self, before: &Status, stopped: &Result<Option<ReleaseId>>) -> Result<()> {
        match (stopped, &before.active, &before.current) {
            (Ok(Some(release)), ..) => self.record(STOP, release.as_str(), Outcome::Done, &[]).await,
            (Err(error), Some(release), _) => {
                let why = [("why", error.operation().to_owned())];
                self.record(STOP, release.as_str(), Outcome::Failed, &why).await
            }
            (Ok(None), None, Some(release)) if !self.is_stop_recorded().await? => {
                self.record(STOP, release.as_str(), Outcome::Done, &[]).await
            }
            _ => Ok(()),
        }
    }

    /// Whether the last thing that was done to what runs was to stop it, as far as the ledger knows.
    async fn is_stop_recorded(&self) -> Result<bool> {
        let entries = self.own_history().await?;
        let changes = |entry: &&ledger::Entry| {
            entry.outcome == Outcome::Done && ["deploy", "rollback", STOP].contains(&entry.action.as_str())
        };
        Ok(entries.iter().rfind(changes).is_none_or(|entry| entry.action == STOP))
    }

    async fn own_history(&self) -> Result<Vec<ledger::Entry>> {
        let filter = ledger::Filter {
            env: Some(self.environment().clone()),
            project: Some(self.settings().project.name.clone()),
            action: None,
        };
        Ok(ledger::history(&*self.ports().ledger, &filter, usize::MAX).await?.entries)
    }

    /// Tells one step, and notes which release it starts and whether it goes back to the last good one: an error before
    /// anything was touched is no roll back, although an accepted release serves after it, too.
    pub(super) fn follow(&self, step: &Progress, trace: &Trace) {
        match step {
            Progress::GoingBack { .. } => trace.went_back.store(true, Ordering::Relaxed),
            Progress::Activating { release } => {
                *trace.started.lock().unwrap_or_else(PoisonError::into_inner) = Some(release.id.clone());
            }
            _ => {}
        }
        self.host().tell(&step.to_string());
        trace.course.step(step);
    }

    /// Whether the ledger says that this release came to serve.
    async fn is_recorded(&self, report: &RolloutReport) -> Result<bool> {
        let entries = self.own_history().await?;
        let names = |entry: &ledger::Entry| {
            entry.details.get("release").is_some_and(|id| id == report.release.id.as_str())
        };
        Ok(entries.iter().any(|entry| entry.outcome == Outcome::Done && names(entry)))
    }

    /// Whether an accepted release serves now.
    /// The release that serves again, if the deploy went back and it does.
    async fn gone_back_to(&self, trace: &Trace) -> Option<ReleaseId> {
        if !trace.went_back.load(Ordering::Relaxed) {
            return None;
        }
        let status = self.ports().deploy.status().await.ok()?;
        let Status { current, active, .. } = status;
        current.filter(|current| active.as_ref() == Some(current))
    }
}
