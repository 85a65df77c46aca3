//! What a kind of target is like: how variables reach a release there, and how long it takes.

use std::time::Duration;

/// How one kind of target goes about a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Habits {
    /// How it is given secrets.
    pub takes: Takes,
    /// How long a release may take to become healthy, where `[deploy]` does not say.
    pub wait: Duration,
    /// The time between two looks at a release that starts.
    pub poll: Duration,
    /// Whether a release can be given a part of the requests beside the one that runs.
    pub shares: bool,
}

/// A target on this machine: values, half a minute, and a look ten times a second.
impl Default for Habits {
    fn default() -> Self {
        let (wait, poll) = (Duration::from_secs(30), Duration::from_millis(100));
        Habits { takes: Takes::Values, wait, poll, shares: false }
    }
}

/// How a target is given what nobody may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// As values, in [`ReleaseSpec::secrets`](crate::deploy::ReleaseSpec::secrets).
    Values,
    /// As the places it reads them from itself, in [`ReleaseSpec::from`](crate::deploy::ReleaseSpec::from); a secret
    /// given as a value is refused.
    Places,
}
