//! What a plan costs: a summary beside a tree of all of it and beside passes that keep nothing, a comparison, a comment.
//!
//! `cargo bench --package infra-sdk-benches --bench plan` prints ratios first: each is of the fastest of many rounds that
//! take turns, for on a machine with other work a mean tells of that work. Then criterion measures each job.

use std::borrow::Cow;
use std::hint::black_box;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use infra_sdk::plan::verdict::compare;
use infra_sdk::plan::{COMMENT_LIMIT, Page, Plan, Stack, Summary, Veil};
use plans::{Recipe, Shape, Variant};
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

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
        let recipe = Recipe::new(resources, shape);
        let (text, again) = (recipe.text(), recipe.replanned(Variant::Same).text());
        let title = format!("{name}, {:.1} MB", text.len() as f64 / 1e6);
        let jobs: [Job<'_>; 7] = [
            ("summary", &|| drop(black_box(summary(&text)))),
            ("parse", &|| drop(black_box(Plan::parse(&text).expect("it is a plan")))),
            ("borrowed pass", &|| borrowed_pass(&text)),
            ("no value at all", &|| bare_pass(&text)),
            ("compare with a re-plan", &|| compared(&text, &again)),
            ("comment of all changes", &|| drop(black_box(comment(&text)))),
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
        println!("  {name:<24} {:>9.2} ms {ratio:>7.2}x", time.as_secs_f64() * 1e3);
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

/// Two plans, from their texts.
fn compared(approved: &[u8], replan: &[u8]) {
    let read = |text| Plan::parse(text).expect("it is a plan");
    let comparison = compare(&read(approved), &read(replan)).expect("they are compared");
    assert!(comparison.allows_apply());
}

/// The comment on a change, as short as a code host wants it.
fn comment(text: &[u8]) -> String {
    let plan = Plan::parse(text).expect("it is a plan");
    let page = Page::of([Stack::new("shop", &plan)], Veil::default()).expect("it is made ready");
    page.markdown("shop", COMMENT_LIMIT).expect("it is written")
}

/// What a summary has to look at, borrowed from the text, one entry after the other, and dropped at once.
fn borrowed_pass(text: &[u8]) {
    let text = std::str::from_utf8(text).expect("it is UTF-8");
    black_box(serde_json::from_str::<Borrowed<'_>>(text).expect("it is JSON"));
}

/// Every byte is checked to be JSON in UTF-8, and nothing kept: less than that no reader can do.
fn bare_pass(text: &[u8]) {
    let text = std::str::from_utf8(text).expect("it is UTF-8");
    black_box(serde_json::from_str::<IgnoredAny>(text).expect("it is JSON"));
}

fn value(text: &[u8]) -> serde_json::Value {
    serde_json::from_slice(text).expect("it is JSON")
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "reading is what is measured")]
struct Borrowed<'a> {
    #[serde(borrow)]
    resource_changes: Dropped<Entry<'a>>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "reading is what is measured")]
struct Entry<'a> {
    #[serde(borrow)]
    address: Cow<'a, str>,
    #[serde(borrow, default)]
    module_address: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    change: Change<'a>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "reading is what is measured")]
struct Change<'a> {
    actions: IgnoredAny,
    #[serde(borrow)]
    before: &'a RawValue,
    #[serde(borrow)]
    after: &'a RawValue,
}

/// A list whose items are read and dropped.
struct Dropped<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Dropped<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Dropped(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Dropped<T> {
    type Value = Self;
    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
        while let Some(item) = list.next_element::<T>()? {
            drop(black_box(item));
        }
        Ok(self)
    }
}
