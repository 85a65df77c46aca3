//! What a rollout tells while it goes on.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::deploy::release::{Release, ReleaseId};
use crate::deploy::report::milliseconds;
use crate::time::human;

/// One step of a rollout, for a person to watch.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Progress {
    /// An earlier rollout was killed in the middle; this one takes over.
    Interrupted {
        /// What it had started.
        release: ReleaseId,
    },
    /// The image is being made ready.
    Preparing {
        /// The version asked for.
        version: String,
    },
    /// A release is being started in the place of another.
    Activating {
        /// The one that shall run.
        release: Release,
    },
    /// A part of the requests goes to the release, the others to the one before.
    Sharing {
        /// The one that shall run.
        release: Release,
        /// Its part of all requests.
        percent: u8,
    },
    /// The release is not healthy yet.
    Waiting {
        /// What it lacks.
        why: String,
    },
    /// The release answers.
    Healthy {
        /// The one that runs.
        release: Release,
        /// How long that took; in milliseconds as `after_ms` where this is serialised.
        #[serde(rename = "after_ms", serialize_with = "milliseconds")]
        after: Duration,
    },
    /// The release failed, and the last good one is started again.
    GoingBack {
        /// The last good one.
        to: Release,
        /// What was wrong.
        why: String,
    },
    /// The release failed, and there is none to go back to.
    Stopping {
        /// What was wrong.
        why: String,
    },
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Progress::Interrupted { release } => {
                write!(f, "an earlier rollout was interrupted after it started {release}; taking over")
            }
            Progress::Preparing { version } => write!(f, "making {version} ready"),
            Progress::Activating { release } => write!(f, "starting {release}"),
            Progress::Sharing { release, percent } => {
                write!(f, "giving {percent} % of the requests to {release}")
            }
            Progress::Waiting { why } => write!(f, "not healthy yet: {why}"),
            Progress::Healthy { release, after } => write!(f, "{release} is healthy after {}", human(*after)),
            Progress::GoingBack { to, why } => write!(f, "{why}; going back to {to}"),
            Progress::Stopping { why } => write!(f, "{why}; there is no earlier release, stopping it"),
        }
    }
}
