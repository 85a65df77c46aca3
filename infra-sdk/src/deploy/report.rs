//! What rollouts, status and history give back.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

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
    /// How long it all took; in milliseconds as `took_ms` where this is serialised.
    #[serde(rename = "took_ms", serialize_with = "milliseconds")]
    pub took: Duration,
}

pub(super) fn milliseconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
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
    /// What should be known beside that.
    pub warning: Option<String>,
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
        if let Some(warning) = &self.warning {
            write!(f, "\n  warning: {warning}")?;
        }
        Ok(())
    }
}

/// The releases that are kept, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct History {
    /// The one that should serve.
    pub current: Option<ReleaseId>,
    /// The one that a rollout began with, which is under way or was interrupted.
    pub candidate: Option<ReleaseId>,
    /// All of them, newest first.
    pub releases: Vec<Release>,
}

impl From<Status> for History {
    fn from(status: Status) -> Self {
        let candidate = status.candidate().cloned();
        History { current: status.current, candidate, releases: status.releases }
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
                None if self.candidate.as_ref() == Some(&release.id) => "begun",
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::time::Timestamp;

    fn release(id: &str, version: &str, accepted: bool) -> Release {
        Release {
            id: id.parse().unwrap(),
            project: "shop-api".parse().unwrap(),
            image: "shop-api/app".parse().unwrap(),
            digest: Some(Digest::of(b"")),
            version: version.into(),
            by: "kim".into(),
            created: Timestamp::now(),
            accepted: accepted.then(Timestamp::now),
            port: Some(8080),
            health: "/healthz".into(),
        }
    }

    #[test]
    fn a_rollout_is_told_in_one_line_and_timed_in_milliseconds() {
        let report = RolloutReport {
            outcome: Outcome::RolledOut,
            release: release("b", "1.1.0", true),
            before: Some(release("a", "1.0.0", true)),
            url: Some("http://127.0.0.1:8080".into()),
            took: Duration::from_millis(1234),
        };
        let line = "shop-api now runs 1.1.0 (b) at http://127.0.0.1:8080, before: 1.0.0, took 1.2 s";
        assert_eq!(report.to_string(), line);
        assert_eq!(serde_json::to_value(&report).unwrap()["took_ms"], 1234);
    }

    #[test]
    fn status_tells_a_stopped_project_from_a_running_and_an_interrupted_one() {
        let mut report =
            StatusReport { current: None, candidate: None, observation: None, url: None, warning: None };
        assert_eq!(report.to_string(), "nothing was rolled out yet");
        report.current = Some(release("a", "1.0.0", true));
        assert!(report.to_string().starts_with("stopped; 1.0.0 (a) ran last\n  by kim, "), "{report}");
        report.observation = Some(Observation::Healthy);
        assert!(report.to_string().starts_with("1.0.0 (a) is healthy\n"), "{report}");
        report.candidate = Some(release("b", "1.1.0", false));
        assert!(report.to_string().ends_with("was interrupted; 1.0.0 (a) was good"), "{report}");
        report.warning = Some("the disk is full".into());
        assert!(report.to_string().ends_with("\n  warning: the disk is full"), "{report}");
    }

    #[test]
    fn history_aligns_its_columns_and_marks_the_current_release() {
        let releases =
            vec![release("c", "2.0.0-rc.1", false), release("b", "1.1", true), release("a", "1.0", true)];
        let mut history = History { current: Some("b".parse().unwrap()), candidate: None, releases };
        let shown = history.to_string();
        history.candidate = Some("c".parse().unwrap());
        assert!(history.to_string().starts_with("begun    c  "), "{history}");
        let starts = ["failed   c  2.0.0-rc.1  by kim", "current  b  1.1         by kim", "good     a  1.0 "];
        for (line, start) in shown.lines().zip(starts) {
            assert!(line.starts_with(start), "{shown}");
        }
        assert_eq!(shown.lines().count(), 3);
    }
}
