//! From files to a running release: build the image, push it, roll it out, go back.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::deploy::{
    self, Outcome as RolloutOutcome, Progress, ReleaseId, ReleaseSpec, RolloutOptions, RolloutReport,
};
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::events::vocabulary;
use crate::images::{self, BuiltImage, ImageSpec};
use crate::infra::open::Infra;
use crate::ledger::{self, Outcome};
use crate::names::{ImageName, Label, Tag};
use crate::process::Cmd;
use crate::state::{self, Held, LockInfo, LockKey};

/// How long a deploy lock lasts without its holder's sign of life.
const LOCK_LENGTH: std::time::Duration = std::time::Duration::from_secs(60);

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
        f.write_str(&self.0.join("\n"))
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

    /// Builds the image that `[image.NAME]` describes, without a container engine; the same files give the same digest.
    ///
    /// # Errors
    /// `NotFound` when there is no such image or its files are missing; `Invalid` when they can not become one.
    pub async fn build_image(&self, name: &str) -> Result<BuiltImage> {
        let images = &self.settings().image;
        let (label, image) = images.get_key_value(name).ok_or_else(|| {
            let known: Vec<&str> = images.keys().map(Label::as_str).collect();
            Error::not_found(format!("no image is named {}", crate::names::quoted(name)))
                .hint(format!("infra.toml has these images: {}", known.join(", ")))
        })?;
        let repository = ImageName::new(format!("{}/{label}", self.settings().project.name))?;
        let spec = ImageSpec::of_config(repository, image, self.config().root())?;
        let built = images::build(&spec, &self.home().build(label)).await?;
        self.host().tell(&format!(
            "image {}@{} ({} KB)",
            built.name,
            built.digest().short(),
            built.size() / 1000
        ));
        Ok(built)
    }

    /// Pushes an image, sending only what the registry lacks, and gives the release it can become.
    ///
    /// # Errors
    /// What the registry fails with.
    pub async fn push(&self, image: &BuiltImage) -> Result<ReleaseSpec> {
        let version = self.version_label(image).await;
        let tags: Vec<Tag> = Tag::new(&version).into_iter().collect();
        let report = images::push(&*self.ports().images, image, &tags).await?;
        self.host().tell(&report.to_string());
        let project = self.settings().project.name.clone();
        let spec = ReleaseSpec::new(project, image.name.clone(), image.digest().clone(), version);
        Ok(spec.with_settings(&self.settings().deploy))
    }

    /// Makes a release the one that runs: takes the deploy lock, adds this repo's secrets, waits for its health, and
    /// goes back to the last good one by itself when it does not become healthy.
    ///
    /// # Errors
    /// `Locked` naming the holder when another deploy runs; `NotFound` listing every secret that is missing;
    /// `Failed` when the release did not become healthy, after going back.
    pub async fn rollout(&self, mut spec: ReleaseSpec) -> Result<RolloutReport> {
        let lock = self.deploy_lock("deploy").await?;
        for (name, value) in self.needed_secrets().await? {
            self.host().masks.add(&value);
            spec.secrets.insert(name, value);
        }
        let digest = spec.digest.to_string();
        let details = [("digest", digest.clone()), ("version", spec.version.clone())];
        self.tell_others(
            vocabulary::DEPLOY_START,
            serde_json::json!({ "digest": digest, "version": spec.version }),
        )
        .await?;
        let went_back = AtomicBool::new(false);
        let result = deploy::rollout(&*self.ports().deploy, &spec, &self.rollout_options(), &|progress| {
            self.follow(&progress, &went_back);
        })
        .await;
        self.finish(lock, "deploy", spec.image.as_str(), &details, went_back.into_inner(), result).await
    }

    /// Makes an earlier release the one that runs: `to`, or the one before the current.
    ///
    /// # Errors
    /// `NotFound` when there is none to go back to; otherwise as [`Infra::rollout`].
    pub async fn roll_back(&self, to: Option<&ReleaseId>) -> Result<RolloutReport> {
        let lock = self.deploy_lock("rollback").await?;
        let wanted = to.map_or_else(|| "the one before".to_owned(), ToString::to_string);
        let went_back = AtomicBool::new(false);
        let result = deploy::rollback(&*self.ports().deploy, to, &self.rollout_options(), &|progress| {
            self.follow(&progress, &went_back);
        })
        .await;
        self.finish(lock, "rollback", &wanted, &[], went_back.into_inner(), result).await
    }

    /// Ends what runs; its releases are kept.
    ///
    /// # Errors
    /// `Locked` when a deploy runs; what the target fails with.
    pub async fn stop(&self) -> Result<Stopped> {
        let lock = self.deploy_lock("stop").await?;
        let release = deploy::stop(&*self.ports().deploy, &ledger::actor(self.env())).await?;
        if let Some(release) = &release {
            self.record("stop", release.as_str(), Outcome::Done, &[]).await?;
        }
        lock.finish().await?;
        Ok(Stopped { release })
    }

    /// Tells one step, and notes whether it goes back to the last good release: an error before anything was
    /// touched is no roll back, although an accepted release serves after it, too.
    fn follow(&self, progress: &Progress, went_back: &AtomicBool) {
        if matches!(progress, Progress::GoingBack { .. }) {
            went_back.store(true, Ordering::Relaxed);
        }
        self.host().tell(&progress.to_string());
    }

    async fn finish(
        &self,
        lock: Held,
        action: &str,
        subject: &str,
        details: &[(&str, String)],
        went_back: bool,
        result: Result<RolloutReport>,
    ) -> Result<RolloutReport> {
        let (outcome, event) = match &result {
            Ok(_) => (Outcome::Done, vocabulary::DEPLOY_DONE),
            Err(error) if error.kind() == ErrorKind::Cancelled => {
                (Outcome::Cancelled, vocabulary::DEPLOY_CANCELLED)
            }
            Err(_) if went_back && self.serves_again().await => {
                (Outcome::RolledBack, vocabulary::DEPLOY_ROLLED_BACK)
            }
            Err(_) => (Outcome::Failed, vocabulary::DEPLOY_FAILED),
        };
        let mut details = details.to_vec();
        match &result {
            Ok(report) => details.push(("release", report.release.id.to_string())),
            Err(error) => details.push(("why", error.operation().to_owned())),
        }
        // What serves unchanged was recorded when it began to serve, unless that run was killed before it could.
        let recorded = match &result {
            Ok(report) if report.outcome == RolloutOutcome::Unchanged => match self.is_recorded(report).await
            {
                Ok(true) => Ok(()),
                Ok(false) => self.record(action, subject, outcome, &details).await,
                Err(error) => Err(error),
            },
            _ => self.record(action, subject, outcome, &details).await,
        };
        let data: std::collections::BTreeMap<&str, String> = details.into_iter().collect();
        let told = self.tell_others(event, data).await;
        let unlocked = lock.finish().await;
        // The rollout's own failure is the news; trouble with the records is it only when there is no other.
        let report = result?;
        recorded.and(told).and(unlocked).context("the release runs, but this could not be noted")?;
        Ok(report)
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

    async fn deploy_lock(&self, operation: &str) -> Result<Held> {
        let project = &self.settings().project;
        let key = LockKey {
            purpose: Label::new("deploy")?,
            owner: project.org.clone(),
            repo: project.name.clone(),
            env: self.environment().clone(),
        };
        let info = LockInfo::new(ledger::actor(self.env()), operation, LOCK_LENGTH)?;
        state::hold(self.ports().locks.clone(), key, info).await
    }

    fn rollout_options(&self) -> RolloutOptions {
        let mut options = RolloutOptions::new(&self.settings().deploy, ledger::actor(self.env()));
        options.cancel = self.host().cancel.clone();
        options
    }

    /// What people call this state of the repo: `git describe`, or the digest where there is no commit.
    async fn version_label(&self, image: &BuiltImage) -> String {
        let described = Cmd::new("git")
            .args(["describe", "--tags", "--always", "--dirty"])
            .dir(self.config().root())
            .cancel(self.host().cancel.clone())
            .output()
            .await;
        match described {
            Ok(finished) if finished.success() && !finished.stdout.trim().is_empty() => {
                finished.stdout.trim().to_owned()
            }
            _ => image.digest().short().to_owned(),
        }
    }
}
