//! One question to a service, and how it was answered.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// How a probe ended, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    Ok,
    /// It works, and something about it wants attention.
    Degraded,
    /// The credential may not do it, so nobody knows.
    NotPermitted,
    /// It does not work.
    Failed,
}

impl State {
    /// The state as people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Degraded => "degraded",
            State::NotPermitted => "not permitted",
            State::Failed => "failed",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One question to a service, and how it was answered.
///
/// ```
/// use infra_sdk::health::{Probe, State};
/// let probe = Probe::new("connect", State::Failed, "127.0.0.1:4222 refuses connections")
///     .with("tried", "2 addresses")
///     .hint("start the server, or correct `url` in infra.toml");
/// assert_eq!(probe.state, State::Failed);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Probe {
    /// A word, unique in its report: `connect`.
    pub name: &'static str,
    /// How it ended.
    pub state: State,
    /// What was seen, in one line.
    pub saw: String,
    /// More of what was seen, as name and value.
    #[serde(serialize_with = "as_map")]
    pub evidence: Vec<(&'static str, String)>,
    /// What to do about it; nothing for one that is well.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// Whether tasks need what it asks for: one that they do not need is shown and does not count.
    pub needed: bool,
    /// How long it took; in milliseconds, with a fraction, as `took_ms` where this is serialised.
    #[serde(rename = "took_ms", serialize_with = "milliseconds")]
    pub took: Duration,
}

impl Probe {
    /// A probe that took no time worth telling.
    pub fn new(name: &'static str, state: State, saw: impl Into<String>) -> Self {
        Probe {
            name,
            state,
            saw: saw.into(),
            evidence: Vec::new(),
            hints: Vec::new(),
            needed: true,
            took: Duration::ZERO,
        }
    }

    /// The same with one more thing that was seen.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.evidence.push((name, value.to_string()));
        self
    }

    /// The same with one more way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The same as one that tasks do not need.
    #[must_use]
    pub fn not_needed(mut self) -> Self {
        self.needed = false;
        self
    }

    /// The same with the time it took.
    #[must_use]
    pub fn took(mut self, took: Duration) -> Self {
        self.took = took;
        self
    }

    /// The state as far as it counts.
    pub(super) fn counted(&self) -> State {
        if self.needed { self.state } else { State::Ok }
    }
}

fn milliseconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((time.as_secs_f64() * 1e6).round() / 1e3)
}

fn as_map<S: Serializer>(pairs: &[(&'static str, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(name, value)| (name, value)))
}
