//! The port of everything that can run a release.

use std::fmt;

use async_trait::async_trait;
use serde::Serialize;

use crate::deploy::habits::Habits;
use crate::deploy::release::{Release, ReleaseId, ReleaseSpec};
use crate::error::{Error, Result};

/// A place where one project runs in one environment, one release at a time.
///
/// It only does what it is asked and says what it sees; when to wait, to accept
/// and to go back is decided by [`rollout`](crate::deploy::rollout) for all targets alike.
///
/// # Contract
/// - The caller holds the [`Claim`] while it calls `prepare`, `activate`, `accept` or `stop`.
/// - Every method may be repeated: doing the same twice is doing it once. A process
///   killed inside any of them leaves a state from which the next `claim` goes on.
/// - `prepare` does not touch what runs. Nothing that `activate` needs of the image can be
///   missing afterwards.
/// - `status` and `observe` change nothing.
/// - A release that was accepted stays until `accept` forgets it; the current one and the
///   accepted one before it are never forgotten.
/// - What runs although it was not rolled out here is a release, too: current, with what is known of it, and never forgotten.
/// - No secret appears in a `Release`, an `Observation`, a log line or an error.
#[async_trait]
pub trait DeployTarget: Send + Sync {
    /// What this kind of target is like; the same with each call.
    fn habits(&self) -> Habits;

    /// Takes the right to change what runs, and puts in order what a killed rollout left behind.
    /// `by` says who asks.
    ///
    /// # Errors
    /// `Locked`, naming the holder, when somebody else has it; `Denied` or `Unavailable`.
    async fn claim(&self, by: &str) -> Result<Claim>;

    /// Makes a release ready to run. Gives back the release that runs, or ran last, when it has exactly
    /// this image and these settings, secrets included, unless `fresh` asks for a new one.
    ///
    /// # Errors
    /// `Invalid` for a spec that cannot run here, `NotFound` for an image that is not there, `Conflict`
    /// when the port belongs to somebody else, `Denied`, `Io` or `Unavailable`.
    async fn prepare(&self, spec: &ReleaseSpec, by: &str, fresh: bool) -> Result<Release>;

    /// Asks that this release be the one that runs, and returns as soon as that is under way.
    ///
    /// # Errors
    /// `NotFound` for a release that is not kept; `Denied`, `Io` or `Unavailable`.
    async fn activate(&self, release: &ReleaseId) -> Result<()>;

    /// Asks that this release get `percent` of the requests and the current one all others, and returns as soon as that is
    /// under way. Only asked of targets whose [habits](Habits::shares) say that they can.
    ///
    /// # Errors
    /// As [`activate`](Self::activate); `Invalid` where a release gets all requests or none.
    async fn share(&self, release: &ReleaseId, percent: u8) -> Result<()> {
        Err(Error::invalid("a release gets all requests here, or none")
            .with("release", release)
            .with("percent", percent)
            .hint("take `steps` out of `[deploy]`"))
    }

    /// Looks once how a release is doing, without waiting for it. One that shares the requests is asked like any other.
    ///
    /// # Errors
    /// `Unavailable` or `Io` when the target cannot tell.
    async fn observe(&self, release: &ReleaseId) -> Result<Observation>;

    /// Makes this release the current one, the one to go back to, and forgets past ones beyond `keep`.
    ///
    /// # Errors
    /// `NotFound` for a release that is not kept; `Denied`, `Io` or `Unavailable`.
    async fn accept(&self, release: &ReleaseId, keep: u16) -> Result<()>;

    /// What is kept and what runs, from the target's own records.
    ///
    /// # Errors
    /// `Invalid` for damaged records; `Io` or `Unavailable`.
    async fn status(&self) -> Result<Status>;

    /// What whoever looks at the status should know beside it, such as that what runs could not be started again.
    ///
    /// # Errors
    /// `Io` or `Unavailable`.
    async fn warning(&self) -> Result<Option<String>> {
        Ok(None)
    }

    /// The last `lines` lines that a release printed, masked, oldest first; without a release: those of the
    /// one that runs, or ran last. Empty when nothing was printed. A target whose lines are kept elsewhere says where, and
    /// what it knows itself of how the release ended.
    ///
    /// # Errors
    /// `NotFound` for a release that is not kept; `Io` or `Unavailable`.
    async fn logs(&self, release: Option<&ReleaseId>, lines: usize) -> Result<Vec<String>>;

    /// Ends whatever runs and waits until it has ended. Releases are kept.
    ///
    /// # Errors
    /// `TimedOut` when it does not end; `Denied`, `Io` or `Unavailable`.
    async fn stop(&self) -> Result<()>;
}

/// The right to change what runs at a target; given back when dropped.
pub struct Claim(#[expect(dead_code, reason = "held for its drop")] Box<dyn Send + Sync>);

impl Claim {
    /// A claim that lasts as long as `guard` lives; `()` for targets that are
    /// guarded by the environment's own lock.
    pub fn new(guard: impl Send + Sync + 'static) -> Self {
        Claim(Box::new(guard))
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claim")
    }
}

/// How a release is doing, at one look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "health", rename_all = "lowercase")]
pub enum Observation {
    /// It may still become healthy.
    Starting {
        /// What it lacks.
        why: String,
    },
    /// It answers.
    Healthy,
    /// It will not become healthy by itself.
    Unhealthy {
        /// What happened.
        why: String,
    },
}

impl fmt::Display for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Observation::Starting { why } => write!(f, "starting: {why}"),
            Observation::Healthy => f.write_str("healthy"),
            Observation::Unhealthy { why } => write!(f, "unhealthy: {why}"),
        }
    }
}

/// What a target keeps and runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The releases it keeps, newest first, as the target itself counts them.
    pub releases: Vec<Release>,
    /// The release that was accepted last: the one that should run.
    pub current: Option<ReleaseId>,
    /// The release it was last asked to run; `None` when it was stopped. While this is not
    /// the current one, a rollout is under way or was interrupted.
    pub active: Option<ReleaseId>,
    /// Where the active release answers, if it does over HTTP.
    pub url: Option<String>,
}

impl Status {
    /// What may be forgotten: good releases beyond `keep` past ones, and all failed ones but the newest, whose log
    /// somebody may still want to read. Never the current one, the active one or the good one before.
    pub fn superseded(&self, keep: u16) -> Vec<ReleaseId> {
        let before = self.before_current().map(|release| &release.id);
        let (mut good, mut failed) = (0, 0);
        let mut forgotten = Vec::new();
        for release in &self.releases {
            let id = Some(&release.id);
            if id == self.current.as_ref() || id == self.active.as_ref() {
                continue;
            }
            let (count, limit) =
                if release.accepted.is_some() { (&mut good, keep) } else { (&mut failed, 1) };
            *count += 1;
            if *count > limit && id != before {
                forgotten.push(release.id.clone());
            }
        }
        forgotten
    }

    /// A kept release by id.
    pub fn release(&self, id: &ReleaseId) -> Option<&Release> {
        self.releases.iter().find(|release| release.id == *id)
    }

    /// The release a rollout started and neither accepted nor took back.
    pub fn candidate(&self) -> Option<&ReleaseId> {
        self.active.as_ref().filter(|active| self.current.as_ref() != Some(*active))
    }

    /// The accepted release to go back to from the current one. Which is older is told by the order of
    /// [`releases`](Status::releases) alone: the machines that made them may have clocks that differ.
    pub fn before_current(&self) -> Option<&Release> {
        let current = self.current.as_ref()?;
        let at = self.releases.iter().position(|release| release.id == *current)?;
        self.releases[at + 1..].iter().find(|release| release.accepted.is_some())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::digest::Digest;
    use crate::time::Timestamp;

    #[test]
    fn the_release_before_is_told_by_the_order_and_not_by_any_clock() {
        let mut status = status(&[true; 3], 0);
        // Made by a machine whose clock is ahead.
        status.releases[1].created = Timestamp::now().plus(Duration::from_secs(3600));
        assert_eq!(status.before_current().unwrap().id.as_str(), "r1");
        status.current = Some("r1".parse().unwrap());
        assert_eq!(status.before_current().unwrap().id.as_str(), "r2");
        status.current = Some("r2".parse().unwrap());
        assert_eq!(status.before_current(), None);
    }

    fn status(accepted: &[bool], current: usize) -> Status {
        let releases: Vec<Release> = accepted
            .iter()
            .enumerate()
            .map(|(age, accepted)| Release {
                id: format!("r{age}").parse().unwrap(),
                project: "shop".parse().unwrap(),
                image: "app".parse().unwrap(),
                digest: Some(Digest::of(b"")),
                version: age.to_string(),
                by: "test".into(),
                created: Timestamp::from(std::time::UNIX_EPOCH + Duration::from_secs(100 - age as u64)),
                accepted: accepted.then(Timestamp::now),
                port: None,
                health: String::new(),
            })
            .collect();
        let current = Some(releases[current].id.clone());
        Status { active: current.clone(), current, url: None, releases }
    }

    fn forgotten(accepted: &[bool], current: usize, keep: u16) -> Vec<String> {
        status(accepted, current).superseded(keep).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn old_releases_are_forgotten_but_never_the_way_back() {
        assert_eq!(forgotten(&[true; 5], 0, 2), ["r3", "r4"]);
        assert_eq!(forgotten(&[true; 4], 0, 0), ["r2", "r3"]);
        // After a rollback to r2 the way back is r3.
        assert_eq!(forgotten(&[true; 5], 2, 1), ["r1", "r4"]);
        // Of failed ones only the newest is kept.
        assert_eq!(forgotten(&[true, false, false, true], 0, 5), ["r2"]);
    }
}
