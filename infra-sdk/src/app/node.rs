//! A registered task as the graph, the lists and the runner see it, without its types.

use std::sync::Arc;
use std::time::Duration;

use clap::ArgMatches;

use crate::app::args::Flags;
use crate::app::body::Running;
use crate::app::cx::Cx;
use crate::app::needs::Output;
use crate::error::Result;
use crate::names::EnvName;
use crate::retry::Retry;

/// How long the programs of a cancelled task have to end before they are killed.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// Starts the body with its flags and the results of its needs.
pub(crate) type Job =
    Arc<dyn Fn(Cx, Option<&ArgMatches>, &[Output]) -> Result<Running<Output>> + Send + Sync>;

/// Everything about a task but its types.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) name: Arc<str>,
    pub(crate) about: String,
    /// The prefix of the pack it came with; `None` for the repo's own.
    pub(crate) pack: Option<Arc<str>>,
    pub(crate) needs: Vec<u32>,
    pub(crate) after: Vec<u32>,
    pub(crate) settings: Settings,
    pub(crate) flags: Option<Flags>,
    pub(crate) job: Job,
}

/// What the setters of a builder change.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) danger: Danger,
    pub(crate) deadline: Option<Duration>,
    pub(crate) grace: Duration,
    pub(crate) retry: Option<Retry>,
    pub(crate) hidden: bool,
    pub(crate) read_only: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            danger: Danger::No,
            deadline: None,
            grace: GRACE,
            retry: None,
            hidden: false,
            read_only: false,
        }
    }
}

/// When a task has to be confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Danger {
    No,
    Always,
    UnlessLocal,
}

impl Node {
    /// The group it is listed under: the pack's prefix, or `repo`.
    pub(crate) fn group(&self) -> &str {
        self.pack.as_deref().unwrap_or("repo")
    }

    /// Whether it may be dangerous in some environment.
    pub(crate) fn is_dangerous(&self) -> bool {
        self.settings.danger != Danger::No
    }

    /// Whether it is dangerous in this one.
    pub(crate) fn is_dangerous_in(&self, environment: &EnvName) -> bool {
        match self.settings.danger {
            Danger::No => false,
            Danger::Always => true,
            Danger::UnlessLocal => environment.as_str() != "local",
        }
    }

    /// What has to end before it starts, without doubles.
    pub(crate) fn dependencies(&self) -> Vec<u32> {
        let mut all: Vec<u32> = self.needs.iter().chain(&self.after).copied().collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}
