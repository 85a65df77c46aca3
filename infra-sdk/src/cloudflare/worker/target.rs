//! The deploy target of Cloudflare: one Worker, whose releases are versions of its script.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::OnceCell;

use crate::cloudflare::client::Cloudflare;
use crate::cloudflare::worker::calls::{Calls, Part, Version, whole};
use crate::cloudflare::worker::known::{Look, Owner};
use crate::cloudflare::worker::output::is_version;
use crate::cloudflare::worker::place::WorkerPlace;
use crate::cloudflare::worker::probe::{LAG, Seen};
use crate::cloudflare::worker::settings::{Container, Settings};
use crate::cloudflare::worker::{containers, work};
use crate::deploy::{
    Claim, DeployTarget, Habits, Observation, Release, ReleaseId, ReleaseSpec, Status, Takes,
};
use crate::digest::Digest;
use crate::env::Env;
use crate::error::{Error, ErrorKind, Result};
use crate::images::ImageRegistry;
use crate::names::{ImageName, RepoName};
use crate::secrets::KeyKeeper;

/// How long a release may take, where nobody says: a version is everywhere within seconds, a container's instances are
/// replaced within minutes.
const WAIT: Duration = Duration::from_secs(5 * 60);

/// The time between two looks: an account has four requests a second for everything.
const POLL: Duration = Duration::from_secs(3);

/// How long one run of wrangler may take, with the repo's own build in it.
const DEADLINE: Duration = Duration::from_secs(10 * 60);

/// How long a good answer may still be that of the version before: the header that chooses one may take some seconds to be
/// known everywhere
/// (<https://developers.cloudflare.com/workers/configuration/versions-and-deployments/gradual-deployments/#version-overrides>).
const EVERYWHERE: Duration = Duration::from_secs(10);

/// Rolls out one project as a [Worker](https://developers.cloudflare.com/workers/configuration/versions-and-deployments/). A
/// release is a version of it.
///
/// - wrangler bundles and uploads: the one of the repo's `node_modules`, or on `PATH`, and exactly in the version that is pinned.
///   It reads the repo's own settings, with name, account, variables and image set by the release. Which version gets the
///   requests is decided here, by requests of our own.
/// - Secrets are part of a version: they travel in a private file, and a release that is gone back to has its own. What is no
///   longer declared stays until somebody removes it, for wrangler keeps what it is not given.
/// - Variables of a release replace all others of the Worker but those in the settings.
/// - What a release is stands in the message of its version, what was accepted in the message of each deployment: 1,000 bytes,
///   enough for some 20 releases.
/// - Health is asked at `url`, or at workers.dev, of the very version that is meant. A good answer counts only some seconds
///   after a deployment, for until then the version before may give it. Without an address, and for what somebody else
///   uploaded, a version that gets the requests counts as healthy.
/// - A container that the settings name gets the image of the release by a rollout of its own, which is waited for. What the
///   settings say of it otherwise is applied by `wrangler deploy`. The image it has with a version of somebody else is noted
///   with a deployment before it gets another one, so that going back brings that back, too.
/// - Where Cloudflare wants fewer requests, each is held back for as long as it says, up to five minutes.
/// - The first rollout makes the Worker by `wrangler deploy`, with its routes, schedules and containers, as one that answers
///   503; later changes of those are applied by `wrangler triggers deploy` and `wrangler deploy`. A project that is stopped
///   is that Worker again, for Cloudflare knows no other way to stop one.
///
/// The lock of the environment guards it, so a [`Claim`] is free. The token needs the permissions `Workers Scripts: Edit` and,
/// for containers, `Containers: Edit`; the first rollout also what its routes need.
///
/// ```no_run
/// # async fn example(
/// #     images: std::sync::Arc<dyn infra_sdk::images::ImageRegistry>, keys: std::sync::Arc<dyn infra_sdk::secrets::KeyKeeper>,
/// # ) -> infra_sdk::Result<()> {
/// use infra_sdk::{Env, cloudflare::{Cloudflare, WorkerPlace, WorkerTarget}, config::Deploy, deploy};
/// let env = Env::of_process()?;
/// let (project, staging) = ("shop".parse()?, "staging".parse()?);
/// let place = WorkerPlace::of(&Deploy::default(), &project, &staging, env.cwd());
/// let folder = env.infra_home()?.join("acme/staging/deploy/shop");
/// let target = WorkerTarget::new(Cloudflare::new(&env)?, place, project, images, keys, &env, folder)?;
/// println!("{}", deploy::status(&target).await?);
/// # Ok(())
/// # }
/// ```
pub struct WorkerTarget {
    pub(super) calls: Calls,
    pub(super) owner: Owner,
    pub(super) images: Arc<dyn ImageRegistry>,
    pub(super) keys: Arc<dyn KeyKeeper>,
    pub(super) env: Env,
    pub(super) folder: PathBuf,
    pub(super) pinned: Option<String>,
    pub(super) deadline: Duration,
    pub(super) habits: Habits,
    pub(super) everywhere: Duration,
    seen: Mutex<Seen>,
    url: OnceCell<Option<String>>,
}

impl WorkerTarget {
    /// The target for a project's releases as one Worker, with images from a registry that Cloudflare can pull from, if it has
    /// a container. What wrangler is given stands in `folder` while it runs, readable by its owner only. Makes no request.
    ///
    /// # Errors
    /// `Invalid` for names that Cloudflare would not take, and when no account is named.
    pub fn new(
        cloudflare: Cloudflare,
        place: WorkerPlace,
        project: RepoName,
        images: Arc<dyn ImageRegistry>,
        keys: Arc<dyn KeyKeeper>,
        env: &Env,
        folder: impl Into<PathBuf>,
    ) -> Result<Self> {
        place.check()?;
        let account = cloudflare.account(place.account.as_deref())?.to_owned();
        let habits = Habits { takes: Takes::Values, wait: WAIT, poll: POLL, shares: true };
        Ok(WorkerTarget {
            calls: Calls::new(cloudflare, account, &place),
            owner: Owner { project, place },
            images,
            keys,
            env: env.clone(),
            folder: env.cwd().join(folder.into()),
            pinned: None,
            deadline: DEADLINE,
            habits,
            everywhere: EVERYWHERE,
            seen: Mutex::default(),
            url: OnceCell::new(),
        })
    }

    /// Takes wrangler in exactly this version; default: what `package-lock.json` says.
    #[must_use]
    pub fn wrangler(mut self, version: impl Into<String>) -> Self {
        self.pinned = Some(version.into());
        self
    }

    /// Gives a run of wrangler this long; default: 10 minutes.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Looks every `poll` at what starts, and pauses no longer after a request that failed; default: 3 seconds.
    #[must_use]
    pub fn poll(mut self, poll: Duration) -> Self {
        self.habits.poll = poll;
        self.calls.retry.first = self.calls.retry.first.min(poll);
        self.calls.retry.max = self.calls.retry.max.min(poll);
        self
    }

    /// Trusts a good answer only this long after a deployment; default: 10 seconds.
    #[must_use]
    pub fn everywhere(mut self, within: Duration) -> Self {
        self.everywhere = within;
        self
    }

    pub(super) async fn look(&self) -> Result<Look> {
        let look = self.owner.look(&self.calls).await?;
        self.seen().there |= look.is_there();
        Ok(look)
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A version that can be given requests.
    pub(super) async fn kept(&self, id: &ReleaseId) -> Result<Version> {
        let known = self.seen().versions.get(id).cloned();
        let found = match known {
            Some(version) => Some(version),
            None if is_version(id.as_str()) => self.calls.version(id.as_str()).await?,
            None => None,
        };
        let version = found.filter(|version| !self.owner.is_parked(version)).ok_or_else(|| {
            Error::not_found(format!("the release {id} is not kept"))
                .with("on", &self.owner.place)
                .hint("take one from `infra:deploy:history`")
        })?;
        self.seen().versions.insert(id.clone(), version.clone());
        Ok(version)
    }

    /// Where the Worker answers.
    pub(super) async fn url(&self) -> Result<Option<&str>> {
        if let Some(url) = &self.owner.place.url {
            return Ok(Some(url));
        }
        Ok(self.url.get_or_try_init(|| self.calls.usual_url()).await?.as_deref())
    }

    /// The digest of the Worker's code and of what is served beside it, as wrangler bundles it now. Uploads nothing.
    ///
    /// # Errors
    /// As [`prepare`](DeployTarget::prepare), as far as wrangler and its settings go.
    pub async fn code(&self) -> Result<Digest> {
        let settings =
            Settings::load(&self.owner.place)?.named(&self.owner.place.script, &self.calls.account)?;
        let wrangler = self.program(&settings).await?;
        self.upload(&wrangler).digest(&settings).await
    }

    /// What a container pulls: `host/prefix/name@sha256:…`.
    ///
    /// # Errors
    /// `Invalid` for a registry that only this machine reaches.
    pub(super) fn pulled_as(&self, image: &ImageName, digest: &str) -> Result<String> {
        let address = self.images.address(image);
        let host = address.split('/').next().unwrap_or_default();
        if host.contains(['.', ':']) && !host.contains(['\\', ' ']) && !host.starts_with('.') {
            return Ok(format!("{address}@{digest}"));
        }
        Err(Error::invalid("no container of Cloudflare can pull from this registry")
            .with("registry", self.images.name())
            .with("image", address)
            .hint("name a registry that it can reach, as `registry` of the environment in infra.toml"))
    }

    /// The container of a release, with the image that it is to run: that of its note, or the one that was `kept` for a
    /// version of somebody else. Without either it stays as it is.
    fn container(&self, version: &Version, kept: Option<&str>) -> Result<Option<(Container, String)>> {
        let note = self.owner.note(version);
        if note.is_none() && kept.is_none() {
            return Ok(None);
        }
        let settings = Settings::load(&self.owner.place)?;
        let containers = settings.containers(&self.owner.place.script)?;
        let Some(container) = containers::chosen(&self.owner.place, &containers)? else { return Ok(None) };
        let image = match note {
            Some(note) => self.pulled_as(&ImageName::new(&note.image)?, &note.digest)?,
            None => kept.unwrap_or_default().to_owned(),
        };
        Ok(Some((container.clone(), image)))
    }

    /// Notes which image the container has with a version of somebody else, where that is what to go back to. With Cloudflare,
    /// and before the container gets another one: whoever takes over after a kill has to know it, too.
    async fn keep_image(&self, look: &mut Look, release: &ReleaseId, container: &Container) -> Result<()> {
        let Some(current) = look.status.current.clone().filter(|current| current != release) else {
            return Ok(());
        };
        let is_theirs = look.version(&current).is_some_and(|version| self.owner.note(version).is_none());
        let Some(latest) =
            look.latest.clone().filter(|_| is_theirs && look.accepted.image(&current).is_none())
        else {
            return Ok(());
        };
        let Some(image) = containers::present(&self.calls, container).await? else { return Ok(()) };
        let mut accepted = look.good();
        if !accepted.keep_image(&current, &image) {
            return Err(Error::invalid(
                "the image that the container has now cannot be noted, to go back to it",
            )
            .with("container", &container.name)
            .with("image", image)
            .hint(
                "give the container an image with a shorter name by `wrangler deploy`, then roll out again",
            ));
        }
        self.calls.deploy(&latest.versions, &accepted).await?;
        look.accepted = accepted;
        Ok(())
    }

    async fn deploy(&self, release: &ReleaseId, parts: &[Part], look: &Look) -> Result<()> {
        self.seen().ask(None);
        self.calls.deploy(parts, &look.good()).await?;
        let percent = parts.iter().find(|part| part.version_id == release.as_str());
        self.seen().ask(percent.map(|part| (release, part.percentage)));
        Ok(())
    }

    /// Waits until Cloudflare shows a version with all requests, and until that is so everywhere.
    async fn ended(&self, parked: &ReleaseId) -> Result<()> {
        for _ in 0..=LAG {
            let latest = self.calls.deployments().await?.unwrap_or_default().into_iter().next();
            if latest.is_some_and(|latest| latest.is(&whole(parked))) {
                tokio::time::sleep(self.everywhere).await;
                return Ok(());
            }
            tokio::time::sleep(self.habits.poll).await;
        }
        Err(Error::new(ErrorKind::TimedOut, "Cloudflare does not show that the project is stopped")
            .with("worker", &self.owner.place.script)
            .with("version", parked)
            .hint("look at `infra:deploy:status`, and stop it again"))
    }
}

#[async_trait]
impl DeployTarget for WorkerTarget {
    fn habits(&self) -> Habits {
        self.habits
    }

    async fn claim(&self, _: &str) -> Result<Claim> {
        let settings = Settings::load(&self.owner.place)?;
        work::end_left(&self.folder).await?;
        work::tidy(&self.folder, settings.path());
        Ok(Claim::new(()))
    }

    async fn prepare(&self, spec: &ReleaseSpec, by: &str, fresh: bool) -> Result<Release> {
        self.prepared(spec, by, fresh).await
    }

    async fn activate(&self, release: &ReleaseId) -> Result<()> {
        let version = self.kept(release).await?;
        let mut look = self.look().await?;
        // First, for it can fail before anything gets requests.
        if let Some((container, image)) = self.container(&version, look.accepted.image(release))? {
            self.keep_image(&mut look, release, &container).await?;
            containers::roll(&self.calls, &container, &image).await?;
        }
        self.deploy(release, &whole(release), &look).await
    }

    async fn share(&self, release: &ReleaseId, percent: u8) -> Result<()> {
        self.kept(release).await?;
        let look = self.look().await?;
        let current = look.status.current.clone().filter(|current| current != release && percent < 100);
        let Some(current) = current else { return self.activate(release).await };
        let part = |id: &ReleaseId, percentage: u8| Part {
            version_id: id.to_string(),
            percentage: f64::from(percentage),
        };
        let parts = [part(release, percent), part(&current, 100 - percent)];
        self.deploy(release, &parts, &look).await
    }

    async fn observe(&self, release: &ReleaseId) -> Result<Observation> {
        let latest = self.calls.deployments().await?.unwrap_or_default().into_iter().next();
        let Some(latest) = latest else {
            return Ok(Observation::Unhealthy { why: "there is no such Worker".into() });
        };
        let part = latest.part(release.as_str());
        if let Some(late) = self.late(release, part) {
            return Ok(late);
        }
        let Some(part) = part else { return self.elsewhere(&latest.versions).await };
        let version = self.kept(release).await?;
        let noted = latest.accepted().unwrap_or_default();
        if part >= 100.0
            && let Some((container, image)) = self.container(&version, noted.image(release))?
        {
            let seen = containers::observe(&self.calls, &container, &image).await?;
            if seen != Observation::Healthy {
                return Ok(seen);
            }
        }
        self.health(&version, release).await
    }

    async fn accept(&self, release: &ReleaseId, keep: u16) -> Result<()> {
        self.kept(release).await?;
        let look = self.look().await?;
        let mut accepted = look.good();
        accepted.accept(release);
        let status = self.owner.status(&look.versions, look.latest.as_ref(), &accepted)?;
        for superseded in status.superseded(keep) {
            accepted.forget(&superseded);
        }
        self.calls.deploy(&whole(release), &accepted).await
    }

    async fn status(&self) -> Result<Status> {
        let look = self.look().await?;
        let url = if look.status.active.is_some() { self.url().await? } else { None };
        Ok(Status { url: url.map(str::to_owned), ..look.status })
    }

    /// What its health path said last, and where its lines are: Cloudflare keeps those.
    async fn logs(&self, release: Option<&ReleaseId>, lines: usize) -> Result<Vec<String>> {
        let release = match release {
            Some(id) => id.clone(),
            None => {
                let status = self.look().await?.status;
                let Some(ran) = status.active.or(status.current) else { return Ok(Vec::new()) };
                ran
            }
        };
        self.kept(&release).await?;
        let script = &self.owner.place.script;
        let mut told = vec![format!(
            "Cloudflare keeps its lines: live with `wrangler tail {script} --version-id {release}`, older ones in Workers Logs"
        )];
        told.extend(self.seen().failing(&release).map(|(looks, why)| format!("{why} (at {looks} looks)")));
        Ok(told.split_off(told.len().saturating_sub(lines)))
    }

    async fn stop(&self) -> Result<()> {
        let look = self.look().await?;
        if look.status.active.is_none() {
            return Ok(());
        }
        let parked = self.parked(&look).await?;
        self.seen().ask(None);
        self.calls.deploy(&whole(&parked), &look.good()).await?;
        self.ended(&parked).await
    }
}

impl std::fmt::Debug for WorkerTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WorkerTarget({} of {})", self.owner.place, self.calls.account)
    }
}
