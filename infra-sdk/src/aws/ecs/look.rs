//! What a service of ECS says of itself: counts, deployments, events.

use aws_sdk_ecs::types::{Deployment, DeploymentControllerType, SchedulingStrategy, Service};

use crate::aws::ecs::definition::revision_of;
use crate::aws::ecs::place::EcsPlace;
use crate::aws::ecs::stopped::time;
use crate::aws::meaning::one_line;
use crate::deploy::ReleaseId;
use crate::error::{Error, ErrorKind, Result};
use crate::time::Timestamp;

/// The service's tag with the number of tasks it had before it was stopped.
pub(super) const COUNT: &str = "infra-sdk:desired-count";

/// A service at one look.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) service: Service,
    /// The revision it is set to.
    pub(super) set_to: ReleaseId,
}

impl Look {
    /// Takes only a service that revisions of ours can be rolled out on.
    pub(super) fn of(service: Service, place: &EcsPlace) -> Result<Self> {
        let refuse = |kind, why: &str| Error::new(kind, why.to_owned()).with("on", place);
        if service.status() != Some("ACTIVE") {
            return Err(refuse(ErrorKind::Conflict, "the service is being deleted, or is gone")
                .with("status", service.status().unwrap_or("unknown"))
                .hint("apply the Terraform that makes it, then roll out again"));
        }
        let controller = service.deployment_controller().map(|controller| controller.r#type());
        if let Some(other) = controller.filter(|controller| **controller != DeploymentControllerType::Ecs) {
            return Err(refuse(ErrorKind::Invalid, "another program rolls out on this service")
                .with("deployment controller", other.as_str())
                .hint("let ECS itself do it: `deployment_controller { type = \"ECS\" }`, which Terraform makes by replacing the service"));
        }
        let set_to = service.task_definition().and_then(revision_of).ok_or_else(|| {
            refuse(ErrorKind::Conflict, "the service has no task definition that a release can be made from")
                .with("task definition", service.task_definition().unwrap_or("none"))
                .hint("give it one in Terraform; rollouts make the next revisions from it")
        })?;
        Ok(Look { service, set_to })
    }

    pub(super) fn arn(&self) -> &str {
        self.service.service_arn().unwrap_or_default()
    }

    /// One task on each machine, without a count.
    pub(super) fn is_daemon(&self) -> bool {
        self.service.scheduling_strategy() == Some(&SchedulingStrategy::Daemon)
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.service.desired_count() == 0 && !self.is_daemon()
    }

    pub(super) fn tag(&self, key: &str) -> Option<&str> {
        self.service.tags().iter().find(|tag| tag.key() == Some(key)).and_then(|tag| tag.value())
    }

    /// The deployment that the service is heading for.
    pub(super) fn primary(&self) -> Option<&Deployment> {
        self.service.deployments().iter().find(|deployment| deployment.status() == Some("PRIMARY"))
    }

    /// The newest deployment of a release that is not over.
    pub(super) fn deployment_of(&self, release: &ReleaseId) -> Option<&Deployment> {
        let of_release = |deployment: &&Deployment| {
            deployment.task_definition().and_then(revision_of).as_ref() == Some(release)
        };
        self.service.deployments().iter().find(of_release)
    }

    /// Tasks that other deployments still run.
    pub(super) fn others_running(&self, deployment: &Deployment) -> i32 {
        let others = self.service.deployments().iter().filter(|other| other.id() != deployment.id());
        others.map(Deployment::running_count).sum()
    }

    /// The newest event since then, without the name of the service, which begins each.
    pub(super) fn newest_event(&self, since: Option<Timestamp>) -> Option<String> {
        let dated = self
            .service
            .events()
            .iter()
            .filter_map(|event| Some((event.created_at().and_then(time)?, event.message()?)));
        let since = dated.filter(|(at, _)| since.is_none_or(|since| *at >= since));
        // The first of equals: ECS gives the newest first.
        let (_, message) = since.reduce(|newest, next| if next.0 > newest.0 { next } else { newest })?;
        let said = message.strip_prefix("(service ").and_then(|rest| rest.split_once(") "));
        Some(one_line(said.map_or(message, |(_, said)| said).trim_end_matches('.')))
    }
}
