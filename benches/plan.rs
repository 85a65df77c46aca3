//! What reading a plan costs: a summary beside a tree of all of it and beside a pass that keeps nothing.
//!
//! `cargo bench --package infra-sdk-benches --bench plan` prints ratios first: each is of the fastest of many rounds that
//! take turns, for on a machine with other work a mean tells of that work. Then criterion measures each job.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use infra_sdk::plan::{Plan, Summary};
use plans::{Recipe, Shape};
use serde::de::IgnoredAny;

/// A job on a plan's text.
type Job<'a> = (&'a str, &'a (dyn Fn() + Sync));

const ROUNDS: usize = 60;

fn main() {
    let mut criterion = Criterion::default().configure_from_args().sample_size(20);
    for (name, shape, resources) in [
        ("big state", Shape::BigState, 3000),
        ("module-heavy", Shape::ModuleHeavy, 1600),
        ("secret-heavy", Shape::SecretHeavy, 1800),
        ("all 3,000 changed", Shape::AllChanged, 3000),
    ] {
        let text = Recipe::new(resources, shape).text();
        let title = format!("{name}, {:.1} MB", text.len() as f64 / 1e6);
        let jobs: [Job<'_>; 4] = [
            ("summary", &|| drop(black_box(summary(&text)))),
            ("parse", &|| drop(black_box(Plan::parse(&text).expect("it is a plan")))),
            ("bare pass", &|| bare_pass(&text)),
            ("serde_json::Value", &|| drop(black_box(value(&text)))),
        ];
        if !std::env::args().any(|arg| arg == "--list" || arg == "--profile-time" || arg == "--quiet") {
            ratios(&title, &jobs);
        }
        let mut group = criterion.benchmark_group(title);
        group.throughput(Throughput::Bytes(text.len() as u64));
        for (name, job) in jobs {
            group.bench_function(name, |bencher| bencher.iter(job));
        }
        group.finish();
    }
    criterion.final_summary();
}

/// Time of each job, the fastest of rounds in turn, and how many times the first job's it is.
fn ratios(title: &str, jobs: &[Job<'_>]) {
    let mut fastest = vec![Duration::MAX; jobs.len()];
    for _ in 0..ROUNDS {
        for ((_, job), fastest) in jobs.iter().zip(&mut fastest) {
            *fastest = (*fastest).min(alone(job));
        }
    }
    println!("{title}");
    for ((name, _), time) in jobs.iter().zip(&fastest) {
        let ratio = time.as_secs_f64() / fastest[0].as_secs_f64();
        println!("  {name:<20} {:>9.2} ms {ratio:>7.2}x", time.as_secs_f64() * 1e3);
    }
}

/// The time of a job with a heap of its own: a tree of 100 MB leaves one so torn that the next job would pay for it.
fn alone(job: &(dyn Fn() + Sync)) -> Duration {
    let timed = || {
        let start = Instant::now();
        job();
        start.elapsed()
    };
    std::thread::scope(|scope| scope.spawn(timed).join().expect("the job ends well"))
}

fn summary(text: &[u8]) -> Summary {
    Summary::of(&Plan::parse(text).expect("it is a plan")).expect("it is summarised")
}

/// Every byte is checked to be JSON in UTF-8, and nothing kept: less than that no reader can do.
fn bare_pass(text: &[u8]) {
    let text = std::str::from_utf8(text).expect("it is UTF-8");
    black_box(serde_json::from_str::<IgnoredAny>(text).expect("it is JSON"));
}

fn value(text: &[u8]) -> serde_json::Value {
    serde_json::from_slice(text).expect("it is JSON")
}
