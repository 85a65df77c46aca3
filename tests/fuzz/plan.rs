//! The engine on plans that somebody has tampered with.

use std::time::{Duration, Instant};

use infra_sdk::env::Env;
use plans::{Recipe, Shape, Variant};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, RngSeed, TestRunner};

use crate::check;
use crate::mutate::{Mutation, mutation};
use crate::watch::Watch;

/// Longer than the slowest case takes unoptimised on a busy machine, and shorter than anybody waits.
const LONGEST: Duration = Duration::from_secs(30);

#[test]
fn no_plan_makes_the_engine_panic_hang_or_tell_a_secret() {
    let env = Env::of_process().expect("the environment is read");
    let seconds = env.get("INFRA_FUZZ_SECONDS").map_or(5, |seconds| {
        seconds.parse().unwrap_or_else(|_| panic!("INFRA_FUZZ_SECONDS is a number, not {seconds:?}"))
    });
    let ends = Instant::now() + Duration::from_secs(seconds);
    let bases = bases();
    let watch = Watch::new(LONGEST, |(plan, other): (Vec<u8>, Vec<u8>)| check::plans(&plan, &other));
    let mut cases = 0_u64;
    // A long run looks at other plans each time; a short one at the same, so that what it says of a change is due to it.
    let is_long = seconds > 60;
    let mut seed =
        std::time::UNIX_EPOCH.elapsed().map_or(0, |since| if is_long { since.as_nanos() as u64 } else { 0 });
    while Instant::now() < ends {
        seed = seed.wrapping_add(1);
        let config = Config {
            cases: 16,
            failure_persistence: None,
            rng_algorithm: RngAlgorithm::ChaCha,
            rng_seed: RngSeed::Fixed(seed),
            max_shrink_iters: 2000,
            ..Config::default()
        };
        let case = (0..bases.len(), 0..bases.len(), prop::collection::vec(mutation(), 0..6));
        let outcome = TestRunner::new(config).run(&case, |(base, other, mutations)| {
            let plan = Mutation::all(&mutations, &bases[base]);
            // Mostly held against itself before somebody tampered with it, as an approved plan would be.
            let other = if other % 3 == 0 { &bases[other] } else { &bases[base] };
            watch.run((plan, other.clone())).map_err(TestCaseError::fail)
        });
        if let Err(failure) = outcome {
            panic!("with the seed {seed}: {failure}\nthe plan is kept in {}", watch.kept().display());
        }
        cases += 16;
    }
    // For those who let it run for an hour: the number of cases is what it was for.
    eprintln!("{cases} plans in {seconds} s");
    assert!(cases > 0 || seconds == 0, "not a single plan was checked");
}

/// Real plans, and small ones of each shape with their re-plans.
fn bases() -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/fixtures/plans");
    let mut bases = Vec::new();
    for name in [
        "pub-tf-summarize-example",
        "pub-j2md-aws-sample",
        "pub-infracost-target-0.2",
        "pub-checkov-iam-policy-docs",
        "pub-tfplan2md-azuredevops-replace",
        "pub-tofu-replace-within-set",
        "pub-plan-comment-forget",
        "tf1114-g01_create_wide",
        "tf1114-g03_mixed_update",
        "tf1114-g07_replace_move_import_forget",
    ] {
        let path = format!("{folder}/{name}.json");
        bases.push(std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}")));
    }
    for shape in [Shape::SecretHeavy, Shape::AllChanged, Shape::BigState, Shape::ModuleHeavy] {
        let recipe = Recipe::new(16, shape);
        for variant in [Variant::Approved, Variant::Resolved, Variant::PartApplied] {
            bases.push(recipe.replanned(variant).text());
        }
    }
    bases
}

#[test]
fn a_secret_that_is_shown_would_be_found() {
    let text = Recipe::new(16, Shape::SecretHeavy).text();
    let plan = serde_json::from_slice(&text).unwrap();
    let secrets = crate::marks::secrets(&plan);
    assert!(secrets.len() > 40, "{}", secrets.len());
    let leak = format!("url = https://app:{}@db", secrets.first().unwrap());
    assert!(check::no_secret("a text", &leak, &secrets).is_err());
    assert!(check::no_secret("a text", "nothing to see", &secrets).is_ok());
}
