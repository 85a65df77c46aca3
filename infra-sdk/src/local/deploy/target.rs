//! The deploy target of the local provider: one supervised process on this machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use crate::deploy::{Claim, DeployTarget, Habits, Observation, Release, ReleaseId, ReleaseSpec, Status};
use crate::env::Env;
use crate::error::{Error, ErrorKind, Result};
use crate::file::{self, Access};
use crate::images::{self, ImageRegistry};
use crate::local::deploy::folder::{Active, Folder, Phase, State};
use crate::local::deploy::launch::Launch;
use crate::local::deploy::{health, log, orphans, port, supervise};
use crate::process::Detached;
use crate::time::{Timestamp, human};

/// How long a service without a health path must keep running to count as healthy.
const STEADY: Duration = Duration::from_secs(2);

/// How often records are looked at while waiting for a supervisor.
const LOOK: Duration = Duration::from_millis(25);

/// Runs releases of one project as a supervised process on this machine.
///
/// Everything stands in one folder, which holds secrets and so is open to its owner only.
///
/// ```no_run
/// # async fn example(images: std::sync::Arc<dyn infra_sdk::images::ImageRegistry>) -> infra_sdk::Result<()> {
/// use infra_sdk::{Env, deploy, local::LocalDeploy};
/// let env = Env::of_process()?;
/// let folder = env.infra_home()?.join("acme/local/deploy/shop-api");
/// let target = LocalDeploy::new(folder, images, &env);
/// println!("{}", deploy::status(&target).await?);
/// # Ok(())
/// # }
/// ```
pub struct LocalDeploy {
    folder: Folder,
    images: Arc<dyn ImageRegistry>,
    machine: Env,
    supervisor: Option<PathBuf>,
}

impl LocalDeploy {
    /// A target in `folder`. The running program is used as supervisor, so it calls
    /// [`supervise_if_asked`](crate::local::supervise_if_asked) first thing.
    pub fn new(folder: impl Into<PathBuf>, images: Arc<dyn ImageRegistry>, env: &Env) -> Self {
        // The service lives in another folder than this process, so paths must not depend on that.
        let folder = env.cwd().join(folder.into());
        LocalDeploy {
            folder: Folder::new(folder),
            images,
            machine: env.clone(),
            supervisor: env.program().map(Path::to_owned),
        }
    }

    /// Uses another program as supervisor, which calls `supervise_if_asked`.
    #[must_use]
    pub fn supervisor(mut self, program: impl Into<PathBuf>) -> Self {
        self.supervisor = Some(program.into());
        self
    }

    fn program(&self) -> Result<&Path> {
        self.supervisor.as_deref().filter(|program| program.is_file()).ok_or_else(|| {
            Error::not_found("the program that supervises services is not there")
                .hint("build this program again, or name one with `LocalDeploy::supervisor`")
        })
    }

    /// A release that is kept.
    fn kept(&self, id: &ReleaseId) -> Result<Release> {
        self.folder.release(id)?.ok_or_else(|| {
            Error::not_found(format!("the release {id} is not kept"))
                .hint("take one from `infra:deploy:history`")
        })
    }

    /// Whether a release is exactly what `spec` asks for.
    fn fits(&self, release: &Release, spec: &ReleaseSpec) -> Result<bool> {
        let same = release.project == spec.project
            && release.image == spec.image
            && release.digest.as_ref() == Some(&spec.digest)
            && release.health == spec.health
            && (spec.port.is_none() || spec.port == release.port);
        let launch = Launch::load(&self.folder.release_dir(&release.id))?;
        Ok(same && launch.is_some_and(|launch| launch.fits(spec)))
    }

    /// The port for a new release: the one that is wanted, or was chosen before and can be kept. A port that a
    /// service of ours listens on is as good as free, because that service ends before the new one starts.
    fn port(&self, spec: &ReleaseSpec, state: &State) -> Result<u16> {
        let mut running = orphans::releases(&self.folder)?;
        if self.is_supervised()? {
            running.extend(state.active.iter().map(|active| active.release.clone()));
        }
        let ours = running.iter().filter_map(|id| self.folder.release(id).transpose());
        let ours = ours.map(|release| release.map(|release| release.port)).collect::<Result<Vec<_>>>()?;
        let check = |port: u16| if ours.contains(&Some(port)) { Ok(()) } else { port::check_free(port) };
        if let Some(port) = spec.port {
            return check(port).map(|()| port);
        }
        if let Some(port) = state.port.filter(|port| check(*port).is_ok()) {
            return Ok(port);
        }
        let port = port::choose()?;
        self.folder.set_state(&State { port: Some(port), ..state.clone() })?;
        Ok(port)
    }

    /// Whether a supervisor lives: the kernel frees its lock when it dies.
    fn is_supervised(&self) -> Result<bool> {
        Ok(self.folder.try_supervise()?.is_none())
    }

    /// Fills the folder of a new release. It counts as one when the last file is there.
    async fn fill(&self, spec: &ReleaseSpec, release: &Release) -> Result<()> {
        let dir = self.folder.release_dir(&release.id);
        file::make_dir(&dir, Access::Private)?;
        let image = images::pull(&*self.images, &spec.image, &spec.digest, &dir.join("rootfs")).await?;
        Launch::new(&image, spec)?.save(&dir)?;
        self.folder.set_release(release)
    }

    /// Waits until the supervisor with this ticket took over from the one before it.
    async fn wait_for_supervisor(&self, active: &Active, supervisor: &Detached) -> Result<()> {
        let begun = Instant::now();
        loop {
            if self.folder.supervised()?.is_some_and(|supervised| supervised.active == *active) {
                return Ok(());
            }
            let error = if !supervisor.is_alive() {
                Error::new(ErrorKind::Failed, "the supervisor of the service ended at once").hint(
                    "call `infra_sdk::local::supervise_if_asked` first in `main`, as `infra_sdk::main` does",
                )
            } else if begun.elapsed() > supervise::LONGEST_END {
                let old = self.folder.supervised()?.map_or(0, |supervised| supervised.pid);
                Error::new(ErrorKind::TimedOut, "the supervisor of the release before does not end")
                    .hint(format!("end process {old} if it is still there, and try again"))
            } else {
                tokio::time::sleep(LOOK).await;
                continue;
            };
            // It may have answered and ended between the two looks.
            if self.folder.supervised()?.is_some_and(|supervised| supervised.active == *active) {
                return Ok(());
            }
            return Err(error.with("log", self.folder.supervisor_log().display()));
        }
    }

    /// What the health path says, asked off the async threads.
    async fn probe(&self, release: &Release, port: u16) -> Result<std::result::Result<(), String>> {
        let path = release.health.clone();
        tokio::task::spawn_blocking(move || health::probe(port, &path))
            .await
            .map_err(|error| Error::new(ErrorKind::Bug, "ask a service for its health").because(error))
    }
}

#[async_trait]
impl DeployTarget for LocalDeploy {
    fn habits(&self) -> Habits {
        Habits::default()
    }

    async fn claim(&self, by: &str) -> Result<Claim> {
        let held = self.folder.claim(by)?;
        self.folder.tidy()?;
        Ok(Claim::new(held))
    }

    async fn prepare(&self, spec: &ReleaseSpec, by: &str, fresh: bool) -> Result<Release> {
        spec.check()?;
        if let Some(name) = spec.from.keys().next() {
            return Err(Error::invalid(format!("{name} names a place, and a process here takes values"))
                .hint("give it in `secrets` or `env` of the release"));
        }
        self.program()?;
        let state = self.folder.state()?;
        if let Some(current) = state.current.as_ref().filter(|_| !fresh)
            && let Some(release) = self.folder.release(current)?
            && self.fits(&release, spec)?
        {
            return Ok(release);
        }
        let release = Release {
            id: ReleaseId::generate()?,
            project: spec.project.clone(),
            image: spec.image.clone(),
            digest: Some(spec.digest.clone()),
            version: spec.version.clone(),
            by: by.to_owned(),
            created: Timestamp::now(),
            accepted: None,
            port: Some(self.port(spec, &state)?),
            health: spec.health.clone(),
        };
        if let Err(error) = self.fill(spec, &release).await {
            // What cannot be removed now is removed by the next claim.
            let _ = self.folder.remove_release(&release.id);
            return Err(error);
        }
        Ok(release)
    }

    async fn activate(&self, release: &ReleaseId) -> Result<()> {
        let program = self.program()?;
        self.kept(release)?;
        let active = Active { release: release.clone(), ticket: crate::id::short()? };
        let state = self.folder.state()?;
        // From here on the supervisor before this one ends by itself, and a late one does not begin.
        self.folder.set_state(&State { active: Some(active.clone()), ..state })?;
        let supervisor = supervise::start(program, &self.machine, &self.folder, &active)?;
        self.wait_for_supervisor(&active, &supervisor).await
    }

    async fn observe(&self, release: &ReleaseId) -> Result<Observation> {
        let unhealthy = |why: &str| Ok(Observation::Unhealthy { why: why.to_owned() });
        let starting = |why: String| Ok(Observation::Starting { why });
        let Some(active) = self.folder.state()?.active.filter(|active| active.release == *release) else {
            return unhealthy("it is not the release that runs");
        };
        let seen = self.folder.supervised()?.filter(|supervised| supervised.active == active);
        if let Some(Phase::Ended { why }) = seen.as_ref().map(|seen| &seen.phase) {
            return unhealthy(why);
        }
        if !self.is_supervised()? {
            return unhealthy("its supervisor is gone, perhaps by a restart of the machine; roll out again");
        }
        let since = match seen.as_ref().map(|seen| &seen.phase) {
            Some(Phase::Running { since }) => *since,
            Some(Phase::Restarting { why }) => return starting(format!("{why}; it is started again")),
            _ => return starting("it is being started".into()),
        };
        let kept = self.kept(release)?;
        match kept.port.filter(|_| !kept.health.is_empty()) {
            Some(port) => {
                if let Err(why) = self.probe(&kept, port).await? {
                    return starting(why);
                }
            }
            None if since.elapsed() < STEADY => {
                return starting(format!("it must keep running for {}", human(STEADY)));
            }
            None => {}
        }
        // The answer counts only if the process that was started is the one that still runs.
        if self.folder.supervised()? != seen {
            return starting("it ended while it was asked".into());
        }
        Ok(Observation::Healthy)
    }

    async fn accept(&self, release: &ReleaseId, keep: u16) -> Result<()> {
        let accepted = Release { accepted: Some(Timestamp::now()), ..self.kept(release)? };
        self.folder.set_release(&accepted)?;
        let state = self.folder.state()?;
        self.folder.set_state(&State { current: Some(release.clone()), ..state })?;
        for id in self.status().await?.superseded(keep) {
            self.folder.remove_release(&id)?;
        }
        Ok(())
    }

    async fn status(&self) -> Result<Status> {
        let state = self.folder.state()?;
        let releases = self.folder.releases()?;
        let active = state.active.map(|active| active.release);
        let shown = active.as_ref().and_then(|id| releases.iter().find(|release| release.id == *id));
        let port = shown.filter(|release| !release.health.is_empty()).and_then(|release| release.port);
        let url = port.map(|port| format!("http://127.0.0.1:{port}"));
        Ok(Status { releases, current: state.current, active, url })
    }

    async fn logs(&self, release: Option<&ReleaseId>, lines: usize) -> Result<Vec<String>> {
        let state = self.folder.state()?;
        let ran = state.active.map(|active| active.release).or(state.current);
        match release.or(ran.as_ref()) {
            Some(id) => log::tail(&self.folder.release_dir(&self.kept(id)?.id), lines),
            None => Ok(Vec::new()),
        }
    }

    async fn stop(&self) -> Result<()> {
        let state = self.folder.state()?;
        if state.active.is_some() {
            self.folder.set_state(&State { active: None, ..state })?;
        }
        let begun = Instant::now();
        let _right = loop {
            if let Some(right) = self.folder.try_supervise()? {
                break right;
            }
            if begun.elapsed() > supervise::LONGEST_END {
                let pid = self.folder.supervised()?.map_or(0, |supervised| supervised.pid);
                return Err(Error::new(ErrorKind::TimedOut, "the service does not end")
                    .hint(format!("end its supervisor, process {pid}, and try again")));
            }
            tokio::time::sleep(LOOK).await;
        };
        // Its supervisor may have been killed before, and left it running.
        orphans::end(&self.folder, supervise::GRACE).await?;
        Ok(())
    }
}
