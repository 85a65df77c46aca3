//! What a sync costs beside the requests it makes: planning 10,000 secrets, and writing 100 to a store in this process.

mod scratch;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use criterion::{BatchSize, Criterion, Throughput};
use infra_sdk::names::SecretName;
use infra_sdk::secrets::{
    Costs, FingerprintKey, Listing, Mark, SecretChange, SecretStore, Stamp, Stamps, StoredSecret,
    SyncOptions, SyncPlan, SyncState, SyncTarget, WriteReport, Written, plan_sync,
};
use infra_sdk::{CancelToken, Result, SecretValue};

type Values = BTreeMap<SecretName, SecretValue>;

fn main() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime starts");
    let mut criterion = Criterion::default().configure_from_args().sample_size(10);

    // One list of all, as where a request lists many, with nothing to do after it.
    let folder = scratch::Scratch::new();
    let stores: Vec<Arc<Memory>> = (0..3).map(|at| Memory::new(at, 10_000, Duration::ZERO)).collect();
    let values = values(10_000);
    runtime.block_on(async {
        let plan = plan(folder.path(), &stores, &values).await;
        apply(plan, 30_000).await;
    });
    let mut group = criterion.benchmark_group("plan of 10,000 secrets for 3 stores");
    group.throughput(Throughput::Elements(30_000));
    group.bench_function("nothing to do", |bencher| {
        bencher.iter(|| {
            let plan = runtime.block_on(plan(folder.path(), &stores, &values));
            assert!(plan.is_empty() && plan.calls().made == 3);
        });
    });
    group.finish();

    let values = crate::values(100);
    let mut group = criterion.benchmark_group("sync of 100 secrets");
    for (name, carries, latency) in [
        ("one a request, 0 ms each", 1, Duration::ZERO),
        ("one a request, 50 ms each", 1, Duration::from_millis(50)),
        ("100 a request, 50 ms each", 100, Duration::from_millis(50)),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || (scratch::Scratch::new(), [Memory::new(0, carries, latency)]),
                |(folder, store)| {
                    runtime.block_on(async {
                        let plan = plan(folder.path(), &store, &values).await;
                        apply(plan, 100).await;
                    });
                    folder
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
    criterion.final_summary();
}

async fn plan(folder: &Path, stores: &[Arc<Memory>], values: &Values) -> SyncPlan {
    let targets = stores.iter().map(|store| {
        let label = store.id.replace(':', "-").parse().expect("the label is well formed");
        SyncTarget {
            label,
            store: store.clone(),
            values: values.clone(),
            retired: Default::default(),
            pace: None,
        }
    });
    let state =
        SyncState::open(folder.join("state"), folder.join("seen"), FingerprintKey::from_bytes([7; 32]));
    plan_sync(targets.collect(), state, SyncOptions::default()).await.expect("it is planned")
}

async fn apply(plan: SyncPlan, writes: usize) {
    let report = plan.apply("bench", Arc::new(()), &CancelToken::new()).await.expect("it is applied");
    report.complete().expect("it is complete");
    let written: usize = report.targets.iter().map(|target| target.written()).sum();
    assert_eq!(written, writes, "each secret was written");
}

fn values(count: usize) -> Values {
    let secret = |at: usize| {
        let name = format!("SECRET_{at:05}").parse().expect("the name is well formed");
        (name, SecretValue::new(format!("value number {at} of this bench")))
    };
    (0..count).map(secret).collect()
}

/// A store whose requests take their time and nothing else.
struct Memory {
    id: String,
    carries: usize,
    latency: Duration,
    secrets: Mutex<BTreeMap<SecretName, Stamp>>,
}

impl Memory {
    fn new(at: usize, carries: usize, latency: Duration) -> Arc<Self> {
        Arc::new(Memory { id: format!("memory:{at}"), carries, latency, secrets: Mutex::default() })
    }

    async fn request(&self) {
        if !self.latency.is_zero() {
            tokio::time::sleep(self.latency).await;
        }
    }
}

#[async_trait]
impl SecretStore for Memory {
    fn name(&self) -> &str {
        "a store in this process"
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn costs(&self) -> Costs {
        let puts = self.carries;
        let (page, stamps) = (10_000, Stamps::OnWrite);
        Costs { puts, deletes: puts, mixed: true, page, opening: 0, stamps, pace: None, ..Costs::default() }
    }

    fn key(&self, name: &SecretName) -> String {
        name.to_string()
    }

    fn check(&self, change: &SecretChange) -> Result<()> {
        SecretChange::check_batch(std::slice::from_ref(change))
    }

    async fn look(&self, _: Option<&Mark>) -> Result<Listing> {
        self.request().await;
        let secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        let secrets = secrets.iter().map(|(name, stamp)| {
            let (name, stamp) = (name.clone(), Some(stamp.clone()));
            StoredSecret { name, stamp, updated: None }
        });
        Ok(Listing::Now { secrets: secrets.collect(), mark: None })
    }

    async fn write(&self, changes: &[SecretChange]) -> Result<WriteReport> {
        self.request().await;
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        let written = changes.iter().map(|change| {
            let stamp = Stamp::new((secrets.len() + 1).to_string());
            secrets.insert(change.name().clone(), stamp.clone());
            Written { name: change.name().clone(), stamp: Some(stamp) }
        });
        Ok(WriteReport::all(written.collect()))
    }
}
