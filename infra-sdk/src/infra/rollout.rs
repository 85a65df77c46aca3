//! From a pushed image to a running release: roll out, go back, stop, look.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::config::{LockReach, StateKind, Target};
use crate::deploy::{
    self, Progress, ReleaseId, ReleaseSpec, RollbackPlan, RolloutOptions, RolloutReport, StopPlan,
};
use crate::error::{Error, ErrorKind, Result};
use crate::infra::dev_session::guard_if_asked;
use crate::infra::open::Infra;
use crate::infra::rollout_notes::{Trace, back_again, details_of};
use crate::ledger;

/// What a rollout of something new is called where others find it locked.
const DEPLOY: &str = "deploy";

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

impl Infra {
    /// Whether this program was started to supervise a service, or to guard what [`run_dev`](Infra::run_dev) runs; then it
    /// has done so, and ends with this code. A program that deploys to this machine asks first thing;
    /// [`main`](crate::main) does.
    pub fn supervise_if_asked() -> Option<std::process::ExitCode> {
        crate::local::supervise_if_asked(std::env::args_os()).or_else(|| guard_if_asked(std::env::args_os()))
    }

    /// The last `lines` lines of a release, masked; `None`: of the one that runs, or ran last.
    ///
    /// # Errors
    /// `NotFound` for a release that is not kept; what the target fails with.
    pub async fn logs(&self, release: Option<&ReleaseId>, lines: usize) -> Result<Log> {
        Ok(Log(self.ports().deploy.logs(release, lines).await?))
    }

    /// Makes a release the one that runs: adds this repo's references and secrets, takes the deploy lock, waits for its
    /// health, and goes back to the last good one by itself when it does not become healthy. The others are told of its
    /// start, its steps and its end; that they cannot be told is a warning, as the ledger has the record.
    ///
    /// A reference `network` to a tree with `vpc-id` reaches the service as `NETWORK_VPC_ID`; a variable that the spec
    /// sets itself is left as it is.
    ///
    /// # Errors
    /// `Locked` naming the holder when another deploy runs, which a deploy that is a part of a run waits for at first;
    /// `Invalid` where no lock that all machines share guards what runs elsewhere; `NotFound` listing every secret that is missing;
    /// `Failed` when the release did not become healthy, after going back.
    pub async fn rollout(&self, spec: ReleaseSpec) -> Result<RolloutReport> {
        let spec = self.with_surroundings(spec).await?;
        let details = details_of(&spec);
        self.under_lock(DEPLOY, async |options| {
            let target = &*self.ports().deploy;
            let trace = Trace::new(self.course(&details));
            let result = deploy::rollout(target, &spec, &options, &|step| self.follow(&step, &trace)).await;
            self.note("deploy", spec.image.as_str(), details, trace, result).await
        })
        .await
    }

    /// Which release [`rollback`](Infra::rollback) would make the one that runs. Changes nothing.
    ///
    /// # Errors
    /// `NotFound` when there is none to go back to, or its image is gone; what the target fails with.
    pub async fn plan_release_rollback(&self, to: Option<&ReleaseId>) -> Result<RollbackPlan> {
        let target = &*self.ports().deploy;
        let again = match to {
            Some(id) => self.recorded_release(id).await?.zip(Some(id)),
            None => None,
        };
        let Some((spec, id)) = again else { return deploy::plan_rollback(target, to).await };
        let current = deploy::running(&target.status().await?);
        Ok(RollbackPlan { current, release: id.clone(), version: spec.version, kept: false })
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
            let trace = Trace::new(self.course(&[("rollback-to", wanted.clone())]));
            let follow = |step: Progress| self.follow(&step, &trace);
            let again = match to {
                Some(id) => self.recorded_release(id).await,
                None => Ok(None),
            };
            let mut details = Vec::new();
            let result = match again {
                Ok(Some(spec)) => {
                    self.host().tell(&format!(
                        "{wanted} is not kept any more: making it again from {}@{}, with the settings and secrets of today",
                        spec.image,
                        spec.digest.short()
                    ));
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

    /// What [`stop`](Infra::stop) would end. Changes nothing.
    ///
    /// # Errors
    /// What the target fails with.
    pub async fn plan_stop(&self) -> Result<StopPlan> {
        deploy::plan_stop(&*self.ports().deploy).await
    }

    /// Ends what runs; its releases are kept.
    ///
    /// # Errors
    /// `Locked` when a deploy runs; what the target fails with.
    pub async fn stop(&self) -> Result<Stopped> {
        self.under_lock("stop", async |options| {
            let target = &*self.ports().deploy;
            let before = target.status().await?;
            let stopped = deploy::stop(target, &options.by).await;
            let noted = self.note_stop(&before, &stopped).await;
            let release = stopped?;
            noted?;
            Ok(Stopped { release })
        })
        .await
    }

    /// Two machines that roll out at once would undo each other's work, so a lock that only this one sees is not enough for
    /// what runs elsewhere, unless infra.toml says so.
    fn require_shared_lock(&self) -> Result<()> {
        let state = self.config().section()?.state.as_ref();
        let shared = state.is_some_and(|state| state.backend != StateKind::Local);
        let deploy = &self.settings().deploy;
        if shared || deploy.target == Target::Local || deploy.lock == LockReach::Machine {
            return Ok(());
        }
        let env = self.environment();
        Err(Error::invalid("no lock that all machines share guards rollouts here, so nothing was touched")
            .with("environment", env)
            .hint(format!(
                "name a bucket for Terraform state, where the locks lie, too: `state = {{ backend = \"s3\", bucket = \"…\" }}` \
                 under `[env.{env}]`"
            ))
            .hint(
                "or, if only one machine ever rolls out, write `lock = \"machine\"` under `[deploy]`: \
                 runs on other machines do not wait then",
            ))
    }

    /// Does `work` while nobody else deploys this project here; when the lock is lost it touches nothing more.
    async fn under_lock<T>(
        &self,
        operation: &str,
        work: impl AsyncFnOnce(RolloutOptions) -> Result<T>,
    ) -> Result<T> {
        match self.before_change().await {
            // Who goes back or stops is in a hurry, and it is done with the settings that the lock holds.
            Err(moved)
                if operation != DEPLOY
                    && matches!(moved.kind(), ErrorKind::Conflict | ErrorKind::NotFound) =>
            {
                self.host().tell(&format!("warning: {moved}"));
            }
            unmoved => unmoved?,
        }
        let mut options =
            RolloutOptions::new(&*self.ports().deploy, &self.settings().deploy, ledger::actor(self.env()));
        // Going back means to stop, to start and to wait for health again.
        self.host().needs_grace(options.wait + STOPPING);
        self.require_shared_lock()?;
        let lock = self.lock_in_turn("deploy", operation).await?;
        options.cancel = self.host().cancel.child();
        options.lost = lock.lost().clone();
        let result = work(options).await;
        let unlocked = lock.finish().await;
        let value = result?;
        unlocked?;
        Ok(value)
    }
}
