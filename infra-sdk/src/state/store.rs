//! The port to the place that holds states, as far as it has to be made ready: once for an organisation.

use std::fmt;

use async_trait::async_trait;
use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};

/// Makes the place of states ready, and finds out what it can.
///
/// # Contract
/// - `plan_setup` changes nothing. Once a plan was carried out, the next one is empty.
/// - `set_up` carries out the steps of a plan; each may be repeated. What others added to the place stays.
/// - `probe` tells what the store really does, by doing it, and leaves nothing behind.
#[async_trait]
pub trait StateStore: Send + Sync {
    /// What is missing.
    ///
    /// # Errors
    /// `Conflict` when the name belongs to somebody else; `Invalid` when it is elsewhere; `Unavailable` or `Denied`.
    async fn plan_setup(&self) -> Result<SetupPlan>;

    /// Does what is missing.
    ///
    /// # Errors
    /// As [`plan_setup`](StateStore::plan_setup); what was done before stays.
    async fn set_up(&self, plan: &SetupPlan) -> Result<()>;

    /// What the store does about conditions on writes.
    ///
    /// # Errors
    /// `NotFound` when the place is not there; `Unavailable` or `Denied`.
    async fn probe(&self) -> Result<Probe>;
}

/// What is missing at the place of states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SetupPlan {
    /// The place, as people find it.
    pub place: String,
    /// What is to be done, in order.
    pub steps: Vec<SetupStep>,
}

impl fmt::Display for SetupPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.steps.is_empty() {
            return write!(f, "{} is as it should be", self.place);
        }
        write!(f, "{}:", self.place)?;
        self.steps.iter().try_for_each(|step| write!(f, "\n + {step}"))
    }
}

/// One thing that keeps states safe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SetupStep {
    /// Make the bucket, in this region.
    Create {
        /// The region.
        region: String,
    },
    /// Let nobody make it public.
    BlockPublicAccess,
    /// Encrypt what is written, with this key or with the store's own.
    Encrypt {
        /// The key.
        key: Option<String>,
    },
    /// Keep older versions.
    KeepVersions,
    /// Refuse requests that come unencrypted.
    RequireTls,
}

impl fmt::Display for SetupStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SetupStep::Create { region } => write!(f, "make the bucket in {region}"),
            SetupStep::BlockPublicAccess => f.write_str("block public access"),
            SetupStep::Encrypt { key: Some(key) } => write!(f, "encrypt with the KMS key {key}"),
            SetupStep::Encrypt { key: None } => f.write_str("encrypt with the store's own key"),
            SetupStep::KeepVersions => f.write_str("keep older versions"),
            SetupStep::RequireTls => f.write_str("refuse requests without TLS"),
        }
    }
}

/// What a store was seen to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Probe {
    /// Of two that create the same object, one is told that it is there: without it there are no locks.
    pub creates_once: bool,
    /// A delete of an older version of an object is refused: without it a lock that another just took over may be removed.
    pub deletes_what_was_seen: bool,
}

impl Probe {
    /// Lets only a store pass that can lock.
    ///
    /// # Errors
    /// `Failed` saying so.
    pub fn require(&self) -> Result<()> {
        if self.creates_once {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Failed, "this store can not lock: two at once would both write the state")
            .hint("use a store that honours `If-None-Match` on PutObject, as S3 and R2 do"))
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.creates_once, self.deletes_what_was_seen) {
            (false, _) => "can not lock: it takes a second write of what may be created once",
            (true, true) => "locks: probed, a second writer and a late delete are refused",
            (true, false) => {
                "locks: probed, a second writer is refused\nwarning: it deletes whatever lies there, so a lock that was \
                 taken over in the last moment can be removed by its former holder"
            }
        })
    }
}

/// What making the place ready did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StateSetup {
    /// What was missing, and was done.
    pub done: SetupPlan,
    /// What the store does.
    pub probe: Probe,
}

impl fmt::Display for StateSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.done, self.probe)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_store_that_creates_once_can_lock() {
        let probe = |creates_once, deletes_what_was_seen| Probe { creates_once, deletes_what_was_seen };
        assert!(probe(true, true).require().is_ok() && probe(true, false).require().is_ok());
        let error = probe(false, true).require().unwrap_err();
        assert!(error.to_string().contains("can not lock") && !error.hints().is_empty());
        assert!(probe(false, true).to_string().contains("can not lock"));
        assert!(probe(true, false).to_string().contains("warning"));
    }
}
