//! How a release is doing on ECS: deployments, events and stopped tasks, weighed at one look.

use std::time::{Duration, Instant};

use aws_sdk_ecs::types::{Deployment, DeploymentRolloutState, Task};

use crate::aws::ecs::look::Look;
use crate::aws::ecs::stopped::{stops, time};
use crate::aws::meaning::one_line;
use crate::deploy::{Observation, ReleaseId};

/// How long ECS may go on showing a service as it was before a change. Its answers are eventually consistent:
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html>.
const LAG: Duration = Duration::from_secs(60);

/// How many reasons for stopped tasks are told.
const REASONS: usize = 3;

/// A change that was asked for by this program.
#[derive(Clone, Debug)]
pub(super) struct Activation {
    pub(super) release: ReleaseId,
    /// The deployment the service was heading for before.
    pub(super) before: Option<String>,
    pub(super) begun: Instant,
}

/// How `release` is doing.
pub(super) fn observe(
    look: &Look,
    release: &ReleaseId,
    stopped: &[Task],
    activation: Option<&Activation>,
) -> Observation {
    let is_failed_now = look.primary().is_some_and(is_failed);
    if (look.is_stopped() || is_failed_now) && is_older(look, release, activation) {
        return starting("ECS does not show the change yet".into());
    }
    if look.is_stopped() {
        return unhealthy("the service was stopped: it is to run no task".into());
    }
    let Some(primary) = look.primary().filter(|_| look.set_to == *release) else {
        return elsewhere(look, release, stopped, activation);
    };
    let ours = primary.task_definition().and_then(crate::aws::ecs::definition::revision_of);
    if ours.as_ref() != Some(release) {
        return starting("ECS has not begun the deployment yet".into());
    }
    match primary.rollout_state() {
        Some(DeploymentRolloutState::Failed) => {
            let others = look.others_running(primary);
            let still = if others > 0 { format!("; {others} of before still run") } else { String::new() };
            unhealthy(failure(primary, release, stopped) + &still)
        }
        Some(DeploymentRolloutState::Completed) => settled(primary),
        // Without a state it is steady when it runs what it should and nothing else runs.
        None if look.service.deployments().len() == 1 && is_whole(primary) => settled(primary),
        _ => starting(progress(look, primary, release, stopped)),
    }
}

/// A deployment that is done; its tasks may have ended since.
fn settled(primary: &Deployment) -> Observation {
    if primary.running_count() == 0 && primary.desired_count() > 0 {
        return starting(format!("0 of {} tasks run", primary.desired_count()));
    }
    Observation::Healthy
}

fn is_whole(deployment: &Deployment) -> bool {
    deployment.running_count() >= deployment.desired_count() && deployment.pending_count() == 0
}

/// The service is set to another revision: because ECS went back by itself, or somebody else changed it, or because the
/// answer is older than our change.
fn elsewhere(
    look: &Look,
    release: &ReleaseId,
    stopped: &[Task],
    activation: Option<&Activation>,
) -> Observation {
    let failed = look.deployment_of(release).filter(|deployment| is_failed(deployment));
    let going_back = look.primary().and_then(Deployment::rollout_state_reason).filter(|reason| {
        ["rolling back", "rolled back", "circuit breaker", "alarm"].iter().any(|mark| reason.contains(mark))
    });
    if failed.is_some() || going_back.is_some() {
        let why = match (failed, going_back) {
            (Some(failed), _) => failure(failed, release, stopped),
            (None, reason) => {
                with_stops(one_line(reason.unwrap_or_default().trim_end_matches('.')), release, stopped, None)
            }
        };
        return unhealthy(format!("ECS went back to {} by itself: {why}", look.set_to));
    }
    if is_older(look, release, activation) {
        return starting("ECS does not show the change yet".into());
    }
    unhealthy(format!("it is not the release that runs: the service is set to {}", look.set_to))
}

/// Whether an answer may be older than our change: it still shows the deployment from before.
fn is_older(look: &Look, release: &ReleaseId, activation: Option<&Activation>) -> bool {
    let primary = look.primary().and_then(Deployment::id);
    activation.is_some_and(|activation| {
        activation.release == *release
            && activation.before.as_deref() == primary
            && activation.begun.elapsed() < LAG
    })
}

fn is_failed(deployment: &Deployment) -> bool {
    deployment.rollout_state() == Some(&DeploymentRolloutState::Failed)
}

/// Counts, the newest event, and why a task stopped: each look tells what changed.
fn progress(look: &Look, primary: &Deployment, release: &ReleaseId, stopped: &[Task]) -> String {
    let (running, desired) = (primary.running_count(), primary.desired_count());
    let mut told = format!("{running} of {desired} tasks run");
    for (count, what) in [(primary.pending_count(), "starting"), (primary.failed_tasks(), "failed")] {
        if count > 0 {
            told.push_str(&format!(", {count} {what}"));
        }
    }
    let others = look.others_running(primary);
    if others > 0 {
        told.push_str(&format!(", {others} of before still run"));
    }
    let since = primary.created_at().and_then(time);
    if let Some(stop) = stops(stopped, release, since).first() {
        told.push_str(&format!("; {stop}"));
    }
    if let Some(event) = look.newest_event(since) {
        told.push_str(&format!("; {event}"));
    }
    told
}

fn failure(deployment: &Deployment, release: &ReleaseId, stopped: &[Task]) -> String {
    let reason = deployment.rollout_state_reason().unwrap_or("ECS says that the deployment failed");
    let since = deployment.created_at().and_then(time);
    with_stops(one_line(reason.trim_end_matches('.')), release, stopped, since)
}

fn with_stops(
    mut reason: String,
    release: &ReleaseId,
    stopped: &[Task],
    since: Option<crate::time::Timestamp>,
) -> String {
    for stop in stops(stopped, release, since).iter().take(REASONS) {
        reason.push_str(&format!("; {stop}"));
    }
    reason
}

fn starting(why: String) -> Observation {
    Observation::Starting { why }
}

fn unhealthy(why: String) -> Observation {
    Observation::Unhealthy { why }
}
