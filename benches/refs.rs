//! Publishing and reading a tree of 1,000 parameters on local files; most of publishing is waiting for the disk.

mod scratch;

use std::collections::BTreeMap;

use criterion::{BatchSize, Criterion, Throughput};
use infra_sdk::local::LocalParameters;
use infra_sdk::names::ParamPath;
use infra_sdk::refs;

type Tree = BTreeMap<String, BTreeMap<String, String>>;

fn main() {
    let tree: Tree = (0..10)
        .map(|group| {
            (format!("group-{group}"), (0..100).map(|n| (format!("value-{n}"), n.to_string())).collect())
        })
        .collect();
    let path: ParamPath = "/infrastructure/network".parse().expect("the path is well formed");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
    let publish = |store: &LocalParameters| {
        let published = runtime.block_on(refs::publish(store, &path, &tree)).expect("it is published");
        assert_eq!(published.written.len(), 1000);
    };
    let read =
        |store: &LocalParameters| -> Tree { runtime.block_on(refs::read(store, &path)).expect("it is read") };

    let mut criterion = Criterion::default().configure_from_args().sample_size(10);
    let mut group = criterion.benchmark_group("1,000 parameters");
    group.throughput(Throughput::Elements(1000));
    group.bench_function("publish", |bencher| {
        bencher.iter_batched(
            scratch::Scratch::new,
            |folder| {
                publish(&LocalParameters::new(folder.path()));
                folder
            },
            BatchSize::PerIteration,
        );
    });
    let folder = scratch::Scratch::new();
    let store = LocalParameters::new(folder.path());
    publish(&store);
    assert_eq!(read(&store), tree);
    group.bench_function("read", |bencher| bencher.iter(|| read(&store)));
    group.finish();
    criterion.final_summary();
}
