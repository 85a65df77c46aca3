//! The deploy target of AWS: one service of ECS, whose releases are revisions of its task definition.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use crate::aws::connect::Aws;
use crate::aws::ecs::calls::Calls;
use crate::aws::ecs::definition::Definition;
use crate::aws::ecs::known::Known;
use crate::aws::ecs::look::{COUNT, Look};
use crate::aws::ecs::observe::{Activation, observe};
use crate::aws::ecs::place::EcsPlace;
use crate::aws::ecs::revision::{ACCEPTED, Owner};
use crate::aws::ecs::seen::Seen;
use crate::aws::ecs::stopped::stops;
use crate::aws::ecs::way_back::{WayBack, warning};
use crate::deploy::{
    Claim, DeployTarget, Habits, Observation, Release, ReleaseId, ReleaseSpec, Status, Takes,
};
use crate::error::{Error, ErrorKind, Result};
use crate::images::ImageRegistry;
use crate::names::RepoName;
use crate::time::Timestamp;

/// How long a release may take, where nobody says: a task is placed, its image pulled, its health checked and the tasks of
/// before drained, which alone takes five minutes by default.
const WAIT: Duration = Duration::from_secs(15 * 60);

/// The time between two looks: a look is up to three requests, and an account has some twenty a second for all its services.
const POLL: Duration = Duration::from_secs(5);

/// How long the tasks of a service that is stopped may take to end: draining and the grace of each task.
const STOPPING: Duration = Duration::from_secs(10 * 60);

/// Runs releases of one project on [ECS](https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_services.html),
/// in a service that Terraform makes. A release is a revision of the service's task definition.
///
/// - A new revision is the running one with another image and other variables. Everything else is carried over as JSON,
///   also fields that are newer than this crate.
/// - Plain variables stand in `environment`, all others in `secrets` by the place they are read from: no value of a secret
///   is ever given to it. Variables that the task definition has by itself stay, unless a release sets the same.
/// - `PORT` is set to the port under `[deploy]`, or the only one that the container opens. `RELEASE` is not: a revision has no
///   number before it is registered. The health path is that of the target group or container, in Terraform.
/// - Terraform leaves revision and count to rollouts with `ignore_changes = [task_definition, desired_count]`; a revision that
///   it sets nevertheless is the one the next release is made from.
/// - What a release is stands in tags of its revision, which begin with `infra-sdk:`; signs that a tag cannot hold become `_`.
/// - Revisions that somebody else registered are never deregistered; the one that runs before the first rollout is the way back.
/// - One that was deregistered while it served, as Terraform does with what it replaces, cannot be gone back to. Before another
///   takes its place, its fields are registered anew, and a failure goes back to those. `skip_destroy = true` of
///   `aws_ecs_task_definition` makes that needless.
/// - The order of releases is that of their revisions' numbers.
/// - A count of tasks is sent only to stop and to start again, so that automatic scaling keeps its own; a stopped service
///   remembers it in a tag, and one that never ran starts with one task. A scaling policy may start a stopped service again.
/// - ECS's own circuit breaker may go back first: that is noticed, and reported with its reason. Without one, a release whose
///   tasks keep failing is taken back only after `wait`.
///
/// The lock of the environment guards it, so a [`Claim`] is free. It needs the permissions `ecs:DescribeServices`,
/// `ecs:UpdateService`, `ecs:DescribeTaskDefinition`, `ecs:ListTaskDefinitions`, `ecs:RegisterTaskDefinition`,
/// `ecs:DeregisterTaskDefinition`, `ecs:TagResource`, `ecs:UntagResource`, `ecs:ListTasks` and `ecs:DescribeTasks`, and
/// `iam:PassRole` for the roles of the task.
///
/// ```no_run
/// # async fn example(images: std::sync::Arc<dyn infra_sdk::images::ImageRegistry>) -> infra_sdk::Result<()> {
/// use infra_sdk::{Env, aws::{Aws, EcsPlace, EcsService}, deploy};
/// let aws = Aws::connect(&Env::of_process()?, Some("eu-central-1"))?;
/// let place = EcsPlace { cluster: "acme".into(), service: "shop-api".into(), container: None };
/// let target = EcsService::new(aws, place, "shop-api".parse()?, images)?;
/// println!("{}", deploy::status(&target).await?);
/// # Ok(())
/// # }
/// ```
pub struct EcsService {
    calls: Calls,
    owner: Owner,
    images: Arc<dyn ImageRegistry>,
    habits: Habits,
    /// What this program asked for last: ECS may go on showing what was before.
    activation: Mutex<Option<Activation>>,
    seen: Seen,
}

impl EcsService {
    /// The target for a project's releases in one service, with images from a registry that its tasks can pull from.
    /// Makes no request.
    ///
    /// # Errors
    /// `Invalid` for names that ECS would not take.
    pub fn new(aws: Aws, place: EcsPlace, project: RepoName, images: Arc<dyn ImageRegistry>) -> Result<Self> {
        place.check()?;
        let habits = Habits { takes: Takes::Places, wait: WAIT, poll: POLL, shares: false };
        let owner = Owner { project, place: place.clone() };
        Ok(EcsService {
            calls: Calls::new(aws, place),
            owner,
            images,
            habits,
            activation: Mutex::default(),
            seen: Seen::default(),
        })
    }

    /// Looks every `poll` at what starts or stops, and pauses no longer after a request that failed; default: 5 seconds.
    #[must_use]
    pub fn poll(mut self, poll: Duration) -> Self {
        self.habits.poll = poll;
        self.calls.retry.first = self.calls.retry.first.min(poll);
        self.calls.retry.max = self.calls.retry.max.min(poll);
        self
    }

    /// What a task calls the image: `host/prefix/name@sha256:…`.
    fn pulled_as(&self, spec: &ReleaseSpec) -> Result<String> {
        let address = self.images.address(&spec.image);
        let host = address.split('/').next().unwrap_or_default();
        let is_host = host.contains(['.', ':']) && !host.contains(['\\', ' ']) && !host.starts_with('.');
        if !is_host {
            return Err(Error::invalid("no task of ECS can pull from this registry")
                .with("registry", self.images.name())
                .with("image", address)
                .hint("name a registry that it can reach, as `registry` of the environment in infra.toml"));
        }
        Ok(format!("{address}@{}", spec.digest))
    }

    fn known(&self) -> Known<'_> {
        Known { calls: &self.calls, owner: &self.owner, seen: &self.seen }
    }

    fn back(&self) -> WayBack<'_> {
        WayBack { calls: &self.calls, owner: &self.owner, seen: &self.seen }
    }

    /// The releases, which of them runs, and the revision the service is set to.
    async fn state(&self, look: &Look) -> Result<(Status, Definition)> {
        self.known().state(look).await
    }

    fn activation(&self) -> Option<Activation> {
        self.activation.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl DeployTarget for EcsService {
    fn habits(&self) -> Habits {
        self.habits
    }

    async fn claim(&self, _: &str) -> Result<Claim> {
        Ok(Claim::new(()))
    }

    async fn prepare(&self, spec: &ReleaseSpec, by: &str, fresh: bool) -> Result<Release> {
        spec.check()?;
        if !spec.secrets.is_empty() {
            let names: Vec<&str> = spec.secrets.keys().map(|name| name.as_str()).collect();
            return Err(Error::invalid("a task of ECS reads secrets itself, and is given no values")
                .with("secrets", names.join(", "))
                .hint("sync them to SSM or Secrets Manager (`targets`), and give their places in `from` of the release"));
        }
        let look = self.calls.look().await?;
        let (status, running) = self.state(&look).await?;
        // Asked first: a registry may learn its own address by it.
        let stored = self.images.get_manifest(&spec.image, &spec.digest.clone().into()).await?;
        let image = self.pulled_as(spec)?;
        if stored.is_none() {
            return Err(Error::not_found("the image is not in the registry")
                .with("image", &image)
                .hint("push it first: `infra.push(&image)` in a task, or `infra:image:push`"));
        }
        let fields = running.revised(spec, &image, self.owner.place.container.as_deref())?;
        let is_same = || self.owner.made(&running) && running.is_active() && running.is(&fields);
        if !fresh && is_same() {
            return self.owner.release(&running);
        }
        let before = match &status.current {
            Some(current) => Some(self.back().to(current).await?),
            None => None,
        };
        let tags = self.owner.tags(&running, spec, by, before.as_ref());
        let made = self.calls.register(fields, &tags).await?;
        // What stands in tags is what was sent, also where an answer leaves them out.
        self.owner.release(&Definition { tags, ..made })
    }

    async fn activate(&self, release: &ReleaseId) -> Result<()> {
        let wanted = self.back().runnable(release).await?;
        let look = self.calls.look().await?;
        let is_own_doing = self.activation().is_some_and(|own| own.release == look.set_to);
        if !is_own_doing && self.seen.definition(&look.set_to).is_none() {
            // Not one that is known to be there for certain, so that a failure could not go back to it.
            let (status, _) = self.state(&look).await?;
            for current in status.current.iter().filter(|current| **current != wanted.id) {
                self.back().to(current).await?;
            }
        }
        let primary = look.primary();
        let before = primary.and_then(|primary| primary.id()).map(str::to_owned);
        let failed = primary
            .and_then(|primary| primary.rollout_state())
            .is_some_and(|state| *state == aws_sdk_ecs::types::DeploymentRolloutState::Failed);
        // The same revision again is no change, so a deployment that failed would stay as it is.
        let again = failed && look.set_to == wanted.id;
        let remembered = look.tag(COUNT).map(str::to_owned);
        let count =
            look.is_stopped().then(|| remembered.as_deref().and_then(|n| n.parse().ok()).unwrap_or(1));
        let activation = Activation { release: wanted.id.clone(), before, begun: Instant::now() };
        *self.activation.lock().unwrap_or_else(PoisonError::into_inner) = Some(activation);
        self.calls
            .update(|change| {
                let change = change.task_definition(&wanted.arn).set_desired_count(count);
                change.set_force_new_deployment(again.then_some(true))
            })
            .await?;
        if remembered.is_some() {
            self.calls.untag(look.arn(), COUNT).await?;
        }
        Ok(())
    }

    async fn observe(&self, release: &ReleaseId) -> Result<Observation> {
        let look = self.calls.look().await?;
        let activation = self.activation();
        // Where its stand-in was asked for or runs, that is meant.
        let meant = self.seen.stand_in(release).filter(|other| {
            *other == look.set_to || activation.as_ref().is_some_and(|asked| asked.release == *other)
        });
        let release = meant.as_ref().unwrap_or(release);
        let seen = observe(&look, release, &[], activation.as_ref());
        if seen == Observation::Healthy || look.is_stopped() {
            return Ok(seen);
        }
        Ok(observe(&look, release, &self.calls.stopped().await?, activation.as_ref()))
    }

    async fn accept(&self, release: &ReleaseId, keep: u16) -> Result<()> {
        let accepted = self.back().runnable(release).await?;
        if self.owner.made(&accepted) {
            // Later than all before it, also by another machine's clock that was fast: the newest is the one that should run.
            let (status, _) = self.state(&self.calls.look().await?).await?;
            let newest = status.releases.iter().filter_map(|release| release.accepted).max();
            let after = newest.map(|newest| newest.plus(Duration::from_millis(1)));
            let time = after.map_or_else(Timestamp::now, |after| after.max(Timestamp::now()));
            self.seen.forget(&accepted.id);
            self.calls.tag(&accepted.arn, ACCEPTED, &time.to_string()).await?;
        }
        let (status, _) = self.state(&self.calls.look().await?).await?;
        let superseded = status.superseded(keep);
        for forgotten in
            self.known().definitions(&superseded).await?.iter().filter(|old| self.owner.made(old))
        {
            self.seen.forget(&forgotten.id);
            self.calls.deregister(&forgotten.id).await?;
        }
        Ok(())
    }

    async fn status(&self) -> Result<Status> {
        Ok(self.state(&self.calls.look().await?).await?.0)
    }

    /// That what runs was deregistered.
    async fn warning(&self) -> Result<Option<String>> {
        let set_to = self.calls.look().await?.set_to;
        if self.seen.definition(&set_to).is_some() {
            return Ok(None);
        }
        let definition = self.calls.definition(&set_to).await?;
        Ok(definition.filter(|definition| !definition.is_active()).map(|gone| warning(&gone.id)))
    }

    /// Why its tasks stopped, what helps, and where its lines are: those are with the log driver of the task.
    async fn logs(&self, release: Option<&ReleaseId>, lines: usize) -> Result<Vec<String>> {
        let id = match release {
            Some(id) => id.clone(),
            None => self.calls.look().await?.set_to,
        };
        let definition = self.calls.definition(&id).await?.ok_or_else(|| self.back().not_kept(&id, None))?;
        let mut told = definition.log_places(self.calls.aws.region());
        let mut stops = stops(&self.calls.stopped().await?, &id, None);
        stops.reverse();
        for stop in &stops {
            told.push(stop.to_string());
            told.extend(stop.cure().map(|cure| format!("  {cure}")));
        }
        Ok(told.split_off(told.len().saturating_sub(lines)))
    }

    async fn stop(&self) -> Result<()> {
        let look = self.calls.look().await?;
        if look.is_daemon() {
            return Err(Error::invalid(
                "a service with one task on each machine has no count to set to nothing",
            )
            .with("on", &self.owner.place)
            .hint("remove the service in Terraform, or give its placement constraints no machine"));
        }
        if !look.is_stopped() {
            self.calls.tag(look.arn(), COUNT, &look.service.desired_count().to_string()).await?;
            self.calls.update(|change| change.desired_count(0)).await?;
        }
        let begun = Instant::now();
        loop {
            let look = self.calls.look().await?;
            let (running, pending) = (look.service.running_count(), look.service.pending_count());
            if look.is_stopped() && running == 0 && pending == 0 {
                return Ok(());
            }
            if begun.elapsed() > STOPPING {
                return Err(Error::new(ErrorKind::TimedOut, "the tasks of the service do not end")
                    .with("on", &self.owner.place)
                    .with("running", running)
                    .hint(
                        "look at them in the console of ECS; a scaling policy may have started them again",
                    ));
            }
            tokio::time::sleep(self.habits.poll).await;
        }
    }
}

impl std::fmt::Debug for EcsService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EcsService({} in {})", self.owner.place, self.calls.aws.region())
    }
}
