//! Syncs over stores in memory that count every request, on a clock that skips the waits.

mod counts;
mod drift;
mod kills;
mod memory;
mod pace;
mod refusals;
mod trust;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use infra_sdk::names::{Label, SecretName};
use infra_sdk::secrets::{
    FingerprintKey, SecretStore, SyncOptions, SyncPlan, SyncProgress, SyncReport, SyncState, SyncTarget,
    plan_sync,
};
use infra_sdk::{CancelToken, Result, SecretValue};

pub(crate) use memory::{Fault, Kind, Memory};

pub(crate) const PRUNE: SyncOptions = SyncOptions { drift: false, repair: false, prune: true };
pub(crate) const REPAIR: SyncOptions = SyncOptions { drift: false, repair: true, prune: false };
pub(crate) const DRIFT: SyncOptions = SyncOptions { drift: true, repair: false, prune: false };
pub(crate) const PLAIN: SyncOptions = SyncOptions { drift: false, repair: false, prune: false };

pub(crate) type Values = BTreeMap<SecretName, SecretValue>;

/// A repo with its state, and a machine with its memory.
pub(crate) struct Repo {
    pub(crate) folder: PathBuf,
    pub(crate) key: FingerprintKey,
}

impl Repo {
    pub(crate) fn new() -> Self {
        let name = format!("infra-sdk-sync-{}", infra_sdk::id::short().unwrap());
        // Thousands of states are made durable here, and need not last: in memory, where the system has such a place.
        let memory = PathBuf::from("/dev/shm");
        let folder = if memory.is_dir() { memory } else { std::env::temp_dir() }.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Repo { folder, key: FingerprintKey::from_bytes([7; 32]) }
    }

    pub(crate) fn state(&self) -> SyncState {
        SyncState::open(self.file(), self.seen(), self.key.clone())
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.join("infra/sync.state")
    }

    pub(crate) fn seen(&self) -> PathBuf {
        self.folder.join("home/seen")
    }

    pub(crate) async fn plan(
        &self,
        stores: &[(&Arc<Memory>, &Values)],
        options: SyncOptions,
    ) -> Result<SyncPlan> {
        let targets = stores.iter().map(|(store, values)| {
            store.open();
            let label = Label::new(store.id().replace(':', "-")).unwrap();
            let store: Arc<dyn SecretStore> = (*store).clone();
            SyncTarget { label, store, values: (*values).clone(), retired: Default::default(), pace: None }
        });
        plan_sync(targets.collect(), self.state(), options).await
    }

    /// Plans and applies; whatever is shown on the way holds no value.
    pub(crate) async fn sync(
        &self,
        stores: &[(&Arc<Memory>, &Values)],
        options: SyncOptions,
    ) -> Result<SyncReport> {
        self.sync_with(stores, options, Arc::new(()), &CancelToken::new()).await
    }

    pub(crate) async fn sync_with(
        &self,
        stores: &[(&Arc<Memory>, &Values)],
        options: SyncOptions,
        progress: Arc<dyn SyncProgress>,
        cancel: &CancelToken,
    ) -> Result<SyncReport> {
        let plan = self.plan(stores, options).await?;
        hides(&format!("{plan}{plan:?}{}", serde_json::to_string(&plan).unwrap()));
        let report = plan.apply("ada", progress, cancel).await?;
        hides(&format!("{report}{report:?}{}", serde_json::to_string(&report).unwrap()));
        if let Err(error) = report.complete() {
            hides(&format!("{error:?}"));
            assert!(!error.hints().is_empty(), "{error:?}");
        }
        if let Ok(state) = std::fs::read_to_string(self.file()) {
            hides(&state);
        }
        Ok(report)
    }
}

impl Drop for Repo {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Every value in these tests holds this word.
pub(crate) fn hides(shown: &str) {
    assert!(!shown.contains("canary"), "a value is shown: {shown}");
}

pub(crate) fn name(text: &str) -> SecretName {
    text.parse().unwrap()
}

pub(crate) fn values<N: AsRef<str>>(pairs: impl IntoIterator<Item = (N, u32)>) -> Values {
    let value = |version: u32| SecretValue::new(format!("canary-{version}"));
    pairs.into_iter().map(|(text, version)| (name(text.as_ref()), value(version))).collect()
}

/// `S000`, `S001`… in their first version.
pub(crate) fn many(count: usize) -> Values {
    values((0..count).map(|at| (format!("S{at:03}"), 1)))
}

/// Remembers what it was told.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) wrote: Mutex<Vec<(usize, usize)>>,
    pub(crate) waits: Mutex<Vec<(Duration, String)>>,
    /// Cancelled once so many changes are made.
    pub(crate) cancels: Option<(usize, CancelToken)>,
}

impl SyncProgress for Heard {
    fn wrote(&self, _: &Label, done: usize, of: usize) {
        self.wrote.lock().unwrap().push((done, of));
        if let Some((at, cancel)) = &self.cancels
            && done >= *at
        {
            cancel.cancel();
        }
    }

    fn waiting(&self, _: &Label, wait: Duration, why: &str) {
        hides(why);
        self.waits.lock().unwrap().push((wait, why.to_owned()));
    }
}
