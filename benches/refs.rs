//! Publishing, reading and checking a tree of 1,000 parameters: turning types into parameters and back on a store in this
//! process, and the same on local files, where most of publishing is waiting for the disk.

mod scratch;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput};
use infra_sdk::Result;
use infra_sdk::local::LocalParameters;
use infra_sdk::names::ParamPath;
use infra_sdk::refs::{self, Kind, Parameter, ParameterStore, ParameterWrite};
use infra_sdk::time::Timestamp;
use tokio::runtime::Runtime;

type Tree = BTreeMap<String, BTreeMap<String, String>>;

fn main() {
    let tree: Tree = (0..10)
        .map(|group| {
            (format!("group-{group}"), (0..100).map(|n| (format!("value-{n}"), n.to_string())).collect())
        })
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
    let mut criterion = Criterion::default().configure_from_args().sample_size(10);

    let mut group = criterion.benchmark_group("1,000 parameters in memory");
    group.throughput(Throughput::Elements(1000));
    group.bench_function("publish", |bencher| {
        bencher.iter_batched(
            Memory::default,
            |store| {
                publish(&runtime, &store, &tree);
                store
            },
            BatchSize::PerIteration,
        );
    });
    let store = Memory::default();
    publish(&runtime, &store, &tree);
    readers(&mut group, &runtime, &store, &tree);
    group.finish();

    let mut group = criterion.benchmark_group("1,000 parameters in files");
    group.throughput(Throughput::Elements(1000));
    group.bench_function("publish", |bencher| {
        bencher.iter_batched(
            scratch::Scratch::new,
            |folder| {
                publish(&runtime, &LocalParameters::new(folder.path()), &tree);
                folder
            },
            BatchSize::PerIteration,
        );
    });
    let folder = scratch::Scratch::new();
    let store = LocalParameters::new(folder.path());
    publish(&runtime, &store, &tree);
    readers(&mut group, &runtime, &store, &tree);
    group.finish();
    criterion.final_summary();
}

fn path() -> ParamPath {
    "/infrastructure/network".parse().expect("the path is well formed")
}

fn publish(runtime: &Runtime, store: &dyn ParameterStore, tree: &Tree) {
    let published = runtime.block_on(refs::publish(store, &path(), tree)).expect("it is published");
    assert_eq!(published.written.len(), 1000);
}

/// What is done with a tree that stands there.
fn readers(
    group: &mut BenchmarkGroup<'_, WallTime>,
    runtime: &Runtime,
    store: &dyn ParameterStore,
    tree: &Tree,
) {
    let path = path();
    let read = || -> Tree { runtime.block_on(refs::read(store, &path)).expect("it is read") };
    assert_eq!(read(), *tree);
    group.bench_function("read", |bencher| bencher.iter(read));
    group.bench_function("publish again, nothing changed", |bencher| {
        bencher.iter(|| {
            let plan = runtime.block_on(refs::publish_plan(store, &path, tree)).expect("it is planned");
            assert!(plan.is_empty() && plan.unchanged == 1000);
        });
    });
    group.bench_function("compare with the contract", |bencher| {
        bencher.iter(|| {
            let check = runtime.block_on(refs::check_contract::<Tree>(store, &path)).expect("it is checked");
            assert!(check.fits());
        });
    });
}

/// A store that keeps and gives, and does nothing else.
#[derive(Default)]
struct Memory(Mutex<BTreeMap<ParamPath, Parameter>>);

impl Memory {
    fn kept(&self) -> MutexGuard<'_, BTreeMap<ParamPath, Parameter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ParameterStore for Memory {
    async fn get(&self, paths: &[ParamPath]) -> Result<BTreeMap<ParamPath, Parameter>> {
        let kept = self.kept();
        Ok(paths.iter().filter_map(|path| Some((path.clone(), kept.get(path)?.clone()))).collect())
    }

    async fn present(&self, paths: &[ParamPath]) -> Result<BTreeMap<ParamPath, Kind>> {
        let kept = self.kept();
        Ok(paths.iter().filter_map(|path| Some((path.clone(), kept.get(path)?.value.kind()))).collect())
    }

    async fn under(&self, path: &ParamPath) -> Result<Vec<Parameter>> {
        let kept = self.kept();
        Ok(kept.values().filter(|parameter| parameter.path.below(path).is_some()).cloned().collect())
    }

    async fn names(&self) -> Result<Vec<ParamPath>> {
        Ok(self.kept().keys().cloned().collect())
    }

    async fn put(&self, writes: &[ParameterWrite]) -> Result<Vec<u64>> {
        let mut kept = self.kept();
        let versions = writes.iter().map(|write| {
            let version = kept.get(&write.path).map_or(1, |parameter| parameter.version + 1);
            let (path, value) = (write.path.clone(), write.value.clone());
            kept.insert(path.clone(), Parameter { path, value, version, modified: Timestamp::now() });
            version
        });
        Ok(versions.collect())
    }

    async fn delete(&self, paths: &[ParamPath]) -> Result<usize> {
        let mut kept = self.kept();
        Ok(paths.iter().filter(|path| kept.remove(*path).is_some()).count())
    }
}
