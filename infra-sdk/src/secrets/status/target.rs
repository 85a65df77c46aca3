//! What is known of the secrets at one place they are synced to.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::names::SecretName;
use crate::time::Timestamp;

/// What is known of one place that secrets are synced to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TargetState {
    /// How people call it, such as `github`.
    pub label: String,
    /// Each secret it takes, and each it was given earlier.
    pub secrets: BTreeMap<SecretName, Known>,
}

impl TargetState {
    /// Whether it is known to hold the value of today.
    pub fn has(&self, name: &SecretName) -> bool {
        self.secrets.get(name).is_some_and(|known| known.state == KnownState::InSync)
    }

    /// Whether a value stands there that was given to it, or may.
    pub fn may_hold(&self, name: &SecretName) -> bool {
        self.secrets.get(name).is_some_and(|known| known.state != KnownState::NeverWritten)
    }
}

/// What is known of one secret at one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Known {
    /// How it compares with the value of today.
    pub state: KnownState,
    /// When it was last written there, where that is known.
    pub time: Option<Timestamp>,
    /// By whom, where that is known.
    pub by: Option<String>,
}

/// How what stands at a place compares with the value of today.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KnownState {
    /// It is the value of today.
    InSync,
    /// The value changed here since it was written there.
    ChangedLocally,
    /// It was never written there.
    NeverWritten,
    /// Somebody else wrote or removed it there.
    Drifted,
    /// It stands there and is needed no more.
    NotNeeded,
    /// Nobody looked.
    Unknown,
}

impl fmt::Display for KnownState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            KnownState::InSync => "in sync",
            KnownState::ChangedLocally => "changed locally",
            KnownState::NeverWritten => "never written",
            KnownState::Drifted => "drifted",
            KnownState::NotNeeded => "not needed any more",
            KnownState::Unknown => "unknown",
        })
    }
}
