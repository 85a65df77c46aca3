//! What stands where state or events are kept when that place cannot be used: every call says why.

use std::time::Duration;

use async_trait::async_trait;

use crate::error::{Error, ErrorKind, Result};
use crate::events::{
    Access, AssetsPlan, Event, EventBus, EventStore, Page, Permissions, Published, Query, Source,
};
use crate::health::{Health, HealthCheck};
use crate::ledger::{Entry, Ledger, Record};
use crate::names::OrgName;
use crate::state::{
    BackendSettings, LockInfo, LockKey, LockRequest, Locks, Probe, SeenLock, SetupPlan, Snapshot, SnapshotId,
    StateBackend, StateKey, StateLocks, StateStore, TfLock,
};
use crate::time::Timestamp;

/// An error that is given again each time.
#[derive(Clone, Debug)]
pub(super) struct Unready {
    kind: ErrorKind,
    operation: String,
    context: Vec<(&'static str, String)>,
    hints: Vec<String>,
    because: Option<String>,
}

impl Unready {
    pub(super) fn new(error: &Error) -> Self {
        Unready {
            kind: error.kind(),
            operation: error.operation().to_owned(),
            context: error.context().map(|(name, value)| (name, value.to_owned())).collect(),
            hints: error.hints().to_vec(),
            because: std::error::Error::source(error).map(ToString::to_string),
        }
    }

    pub(super) fn fail<T>(&self) -> Result<T> {
        let mut error = Error::new(self.kind, &self.operation);
        for (name, value) in &self.context {
            error = error.with(name, value);
        }
        if let Some(because) = &self.because {
            error = error.because(because.clone());
        }
        Err(self.hints.iter().fold(error, |error, hint| error.hint(hint)))
    }
}

#[async_trait]
impl StateBackend for Unready {
    async fn settings(&self, _: &StateKey) -> Result<BackendSettings> {
        self.fail()
    }

    async fn read(&self, _: &StateKey) -> Result<Option<Vec<u8>>> {
        self.fail()
    }

    async fn list(&self, _: &OrgName) -> Result<Vec<StateKey>> {
        self.fail()
    }

    async fn snapshot(&self, _: &StateKey) -> Result<Option<SnapshotId>> {
        self.fail()
    }

    async fn snapshots(&self, _: &StateKey) -> Result<Vec<Snapshot>> {
        self.fail()
    }

    async fn read_snapshot(&self, _: &StateKey, _: &SnapshotId) -> Result<Option<Vec<u8>>> {
        self.fail()
    }

    async fn replace(&self, _: &StateKey, _: Option<&[u8]>, _: &[u8]) -> Result<bool> {
        self.fail()
    }
}

#[async_trait]
impl StateLocks for Unready {
    async fn lock_state(&self, _: &StateKey, _: &LockRequest) -> Result<TfLock> {
        self.fail()
    }

    async fn state_lock(&self, _: &StateKey) -> Result<Option<SeenLock>> {
        self.fail()
    }

    async fn unlock_state(&self, _: &StateKey, _: &SeenLock) -> Result<()> {
        self.fail()
    }
}

#[async_trait]
impl StateStore for Unready {
    async fn plan_setup(&self) -> Result<SetupPlan> {
        self.fail()
    }

    async fn set_up(&self, _: &SetupPlan) -> Result<()> {
        self.fail()
    }

    async fn probe(&self) -> Result<Probe> {
        self.fail()
    }
}

#[async_trait]
impl Locks for Unready {
    async fn lock(&self, _: &LockKey, _: &LockInfo) -> Result<LockInfo> {
        self.fail()
    }

    async fn holder(&self, _: &LockKey) -> Result<Option<LockInfo>> {
        self.fail()
    }

    async fn renew(&self, _: &LockKey, _: &str, _: Timestamp) -> Result<()> {
        self.fail()
    }

    async fn unlock(&self, _: &LockKey, _: &str) -> Result<bool> {
        self.fail()
    }
}

#[async_trait]
impl HealthCheck for Unready {
    async fn check(&self, _: Duration) -> Result<Health> {
        self.fail()
    }
}

#[async_trait]
impl Ledger for Unready {
    async fn append(&self, _: Record) -> Result<Entry> {
        self.fail()
    }

    async fn read(&self, _: u64, _: usize) -> Result<Vec<Entry>> {
        self.fail()
    }

    fn place(&self, _: u64) -> String {
        self.operation.clone()
    }
}

#[async_trait]
impl EventBus for Unready {
    async fn publish(&self, _: &Event) -> Result<Published> {
        self.fail()
    }

    async fn read(&self, _: &Query) -> Result<Page> {
        self.fail()
    }
}

#[async_trait]
impl EventStore for Unready {
    async fn plan_setup(&self) -> Result<AssetsPlan> {
        self.fail()
    }

    async fn set_up(&self, _: &AssetsPlan) -> Result<()> {
        self.fail()
    }

    fn permissions(&self, _: &Source, _: Access) -> Result<Permissions> {
        self.fail()
    }
}
