//! What rollouts, status and history give back.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::deploy::release::{Release, ReleaseId};
use crate::deploy::target::{Observation, Status};
use crate::time::human;

/// How a rollout or rollback ended well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RolloutReport {
    /// What was done.
    pub outcome: Outcome,
    /// The release that serves now.
    pub release: Release,
    /// The release that served before, if another one did.
    pub before: Option<Release>,
    /// Where it answers, if it does over HTTP.
    pub url: Option<String>,
    /// How long it all took.
    pub took: Duration,
}

/// What a rollout did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The same image with the same settings was already serving; nothing was touched.
    Unchanged,
    /// A release was started and became healthy.
    RolledOut,
    /// An earlier release was started again and became healthy.
    RolledBack,
}

impl fmt::Display for RolloutReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (project, release) = (&self.release.project, &self.release);
        match self.outcome {
            Outcome::Unchanged => write!(f, "{project} is unchanged: {release} serves already")?,
            Outcome::RolledOut => write!(f, "{project} now runs {release}")?,
            Outcome::RolledBack => write!(f, "{project} is back at {release}")?,
        }
        if let Some(url) = &self.url {
            write!(f, " at {url}")?;
        }
        if let Some(before) = &self.before {
            write!(f, ", before: {}", before.version)?;
        }
        if self.outcome != Outcome::Unchanged {
            write!(f, ", took {}", human(self.took))?;
        }
        Ok(())
    }
}

/// What runs and how it is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatusReport {
    /// The release that should serve, if there ever was one.
    pub current: Option<Release>,
    /// The release a rollout started and did not finish with.
    pub candidate: Option<Release>,
    /// How the active release is doing; `None` when nothing was asked to run.
    pub observation: Option<Observation>,
    /// Where it answers, if it does over HTTP.
    pub url: Option<String>,
}

impl fmt::Display for StatusReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.candidate.as_ref().or(self.current.as_ref());
        match (shown, &self.observation) {
            (None, _) => return f.write_str("nothing was rolled out yet"),
            (Some(release), None) => write!(f, "stopped; {release} ran last")?,
            (Some(release), Some(observation)) => {
                write!(f, "{release} is {observation}")?;
                if let Some(url) = &self.url {
                    write!(f, "\n  at {url}")?;
                }
            }
        }
        if let Some(release) = shown {
            write!(f, "\n  by {}, {} ago", release.by, human(release.created.elapsed()))?;
        }
        if self.candidate.is_some() {
            match &self.current {
                Some(current) => {
                    write!(f, "\n  a rollout is under way or was interrupted; {current} was good")?
                }
                None => write!(f, "\n  the first rollout is under way or was interrupted")?,
            }
        }
        Ok(())
    }
}

/// The releases that are kept, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct History {
    /// The one that should serve.
    pub current: Option<ReleaseId>,
    /// All of them, newest first.
    pub releases: Vec<Release>,
}

impl From<Status> for History {
    fn from(status: Status) -> Self {
        History { current: status.current, releases: status.releases }
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.releases.is_empty() {
            return f.write_str("nothing was rolled out yet");
        }
        let width = self.releases.iter().map(|release| release.version.chars().count()).max().unwrap_or(0);
        for (index, release) in self.releases.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            let state = match release.accepted {
                _ if self.current.as_ref() == Some(&release.id) => "current",
                Some(_) => "good",
                None => "failed",
            };
            let ago = human(release.created.elapsed());
            write!(
                f,
                "{state:<7}  {}  {:<width$}  by {}, {ago} ago",
                release.id, release.version, release.by
            )?;
        }
        Ok(())
    }
}
