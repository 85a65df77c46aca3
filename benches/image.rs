//! Building an image of 1,000 files of 1 KB and one of 20 MB: reading, compressing, hashing and writing.

mod scratch;

use criterion::{Criterion, Throughput};
use infra_sdk::images::{self, ImageSpec};

fn main() {
    let folder = scratch::Scratch::new();
    let (files, out) = (folder.path().join("files"), folder.path().join("image"));
    let small = files.join("static");
    std::fs::create_dir_all(&small).expect("the folder is writable");
    for n in 0..1000_u64 {
        std::fs::write(small.join(format!("{n}.txt")), bytes(n, 1000)).expect("the folder is writable");
    }
    std::fs::write(files.join("server"), bytes(1000, 20_000_000)).expect("the folder is writable");
    let spec = ImageSpec::new("shop-api/app".parse().expect("the name is well formed"), &files, ["server"]);
    let build = || images::plan(&spec).and_then(|plan| plan.apply(&out)).expect("the image is built");
    assert_eq!(build().digest(), build().digest(), "the same bytes every time");

    let mut criterion = Criterion::default().configure_from_args().sample_size(10);
    let mut group = criterion.benchmark_group("image of 21 MB");
    group.throughput(Throughput::Bytes(21_000_000));
    group.bench_function("build", |bencher| bencher.iter(build));
    group.finish();
    criterion.final_summary();
}

/// Bytes that compress about as well as a program does: three of four bits are random.
fn bytes(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8 & 0x3f
    };
    (0..size).map(|_| next()).collect()
}
