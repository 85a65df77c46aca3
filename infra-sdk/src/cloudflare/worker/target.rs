//! The deploy target of Cloudflare: one Worker, whose releases are versions of its script.

use std::collections::BTreeMap;
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
use crate::cloudflare::worker::settings::{Container, Settings};
use crate::cloudflare::worker::{containers, probe, work};
use crate::deploy::{
    Claim, DeployTarget, Habits, Observation, Release, ReleaseId, ReleaseSpec, Status, Takes,
};
use crate::digest::Digest;
use crate::env::Env;
use crate::error::{Error, Result};
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

/// After how many looks at bad answers a release will not become healthy by itself: a version is everywhere in less.
const PATIENCE: u32 = 20;

/// How many looks may show a deployment from before one that was just made.
const LAG: u32 = 5;

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
/// - Health is asked at `url`, or at workers.dev, of the very version that is meant. Without either, a version that gets the
///   requests counts as healthy.
/// - A container that the settings name gets the image of the release by a rollout of its own, which is waited for. What the
///   settings say of it otherwise is applied by `wrangler deploy`.
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
    seen: Mutex<Seen>,
    url: OnceCell<Option<String>>,
}

/// What this program saw and did.
#[derive(Default)]
struct Seen {
    /// Versions, which never change.
    versions: BTreeMap<ReleaseId, Version>,
    /// What it asked for last, and how many looks ago.
    activated: Option<(ReleaseId, u32)>,
    /// Who gives bad answers, for how many looks, and the last of them.
    failing: Option<(ReleaseId, u32, String)>,
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

    pub(super) async fn look(&self) -> Result<Look> {
        self.owner.look(&self.calls).await
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
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
    async fn url(&self) -> Result<Option<&str>> {
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

    /// The container of a release, with the image that it is to run.
    async fn container(&self, version: &Version) -> Result<Option<(Container, String)>> {
        // What others uploaded names no image; its container stays as it is.
        let Some(note) = self.owner.note(version) else { return Ok(None) };
        let settings = Settings::load(&self.owner.place)?;
        let containers = settings.containers(&self.owner.place.script)?;
        let Some(container) = containers::chosen(&self.owner.place, &containers)? else { return Ok(None) };
        let image = self.pulled_as(&ImageName::new(&note.image)?, &note.digest)?;
        Ok(Some((container.clone(), image)))
    }

    async fn deploy(&self, release: &ReleaseId, parts: &[Part], look: &Look) -> Result<()> {
        {
            let mut seen = self.seen();
            (seen.activated, seen.failing) = (Some((release.clone(), 0)), None);
        }
        self.calls.deploy(parts, &look.good()).await
    }

    /// A version that does not get requests, though it is asked for.
    async fn elsewhere(&self, release: &ReleaseId, others: &[Part]) -> Result<Observation> {
        if let Some((_, looks)) = self.seen().activated.as_mut().filter(|(id, _)| id == release) {
            *looks += 1;
            if *looks <= LAG {
                return Ok(Observation::Starting { why: "Cloudflare does not show the change yet".into() });
            }
        }
        let other = others.first().map(|part| part.version_id.clone()).unwrap_or_default();
        let parked = self.calls.version(&other).await?.is_some_and(|version| self.owner.is_parked(&version));
        let why = if parked {
            "the project was stopped".into()
        } else {
            format!("it is not the release that runs: {other} gets the requests")
        };
        Ok(Observation::Unhealthy { why })
    }

    /// What the health path says of a version.
    async fn health(&self, version: &Version, id: &ReleaseId) -> Result<Observation> {
        let health = self.owner.note(version).map(|note| note.health).unwrap_or_default();
        let Some(url) = self.url().await?.filter(|_| !health.is_empty()) else {
            return Ok(Observation::Healthy);
        };
        let answer = probe::ask(url, &self.owner.place.script, &version.id, &health).await?;
        let mut seen = self.seen();
        let Some(why) = answer else {
            seen.failing = None;
            return Ok(Observation::Healthy);
        };
        let looks =
            seen.failing.as_ref().filter(|(other, ..)| other == id).map_or(0, |(_, looks, _)| *looks) + 1;
        seen.failing = Some((id.clone(), looks, why.clone()));
        Ok(if looks > PATIENCE { Observation::Unhealthy { why } } else { Observation::Starting { why } })
    }
}

#[async_trait]
impl DeployTarget for WorkerTarget {
    fn habits(&self) -> Habits {
        self.habits
    }

    async fn claim(&self, _: &str) -> Result<Claim> {
        let settings = Settings::load(&self.owner.place)?;
        work::tidy(&self.folder, settings.path());
        Ok(Claim::new(()))
    }

    async fn prepare(&self, spec: &ReleaseSpec, by: &str, fresh: bool) -> Result<Release> {
        self.prepared(spec, by, fresh).await
    }

    async fn activate(&self, release: &ReleaseId) -> Result<()> {
        let version = self.kept(release).await?;
        let look = self.look().await?;
        // First, for it can fail before anything gets requests.
        if let Some((container, image)) = self.container(&version).await? {
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
        let Some(part) = latest.part(release.as_str()) else {
            return self.elsewhere(release, &latest.versions).await;
        };
        self.seen().activated = None;
        let version = self.kept(release).await?;
        if part >= 100.0
            && let Some((container, image)) = self.container(&version).await?
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
        let failing = self.seen().failing.clone().filter(|(id, ..)| *id == release);
        told.extend(failing.map(|(_, looks, why)| format!("{why} (at {looks} looks)")));
        Ok(told.split_off(told.len().saturating_sub(lines)))
    }

    async fn stop(&self) -> Result<()> {
        let look = self.look().await?;
        if look.status.active.is_none() {
            return Ok(());
        }
        let parked = self.parked(&look).await?;
        self.seen().activated = None;
        self.calls.deploy(&whole(&parked), &look.good()).await
    }
}

impl std::fmt::Debug for WorkerTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WorkerTarget({} of {})", self.owner.place, self.calls.account)
    }
}
