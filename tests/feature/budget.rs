//! The dependency budget of a consumer, feature by feature.

use std::collections::BTreeSet;

use crate::consumer::{cargo, cargo_into, package};

const EMPTY: (&str, &str) = ("empty", "fn main() {}\n");

fn crates(features: &[&str]) -> BTreeSet<String> {
    let name = format!("budget-{}", if features.is_empty() { "none".into() } else { features.join("-") });
    let folder = package(&name, features, &[EMPTY]);
    let tree =
        cargo(&folder, &["tree", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"]).expect(0);
    tree.stdout
        .lines()
        .map(|line| line.trim_end_matches(" (*)").split(" (").next().unwrap_or_default().to_owned())
        .filter(|line| !line.is_empty() && !line.starts_with("consumer "))
        .collect()
}

#[test]
fn a_consumer_with_no_feature_compiles_at_most_eighty_crates() {
    let crates = crates(&[]);
    assert!(crates.len() <= 80, "{} crates: {crates:#?}", crates.len());
    assert!(crates.len() > 20, "the tree was not read: {crates:?}");
}

#[test]
fn a_consumer_with_no_feature_compiles_no_tls_http_or_cloud_crate() {
    let banned = [
        "aws-",
        "rustls",
        "ring ",
        "openssl",
        "native-tls",
        "hyper",
        "http ",
        "reqwest",
        "ureq",
        "h2 ",
        "octocrab",
        "cloudflare",
        "async-nats",
        "age ",
        "regorus",
    ];
    for name in crates(&[]) {
        assert!(!banned.iter().any(|start| name.starts_with(start)), "{name} is in the tree");
    }
}

#[test]
fn a_feature_brings_nothing_of_another() {
    let absent: [(&str, &[&str]); 6] = [
        (
            "policy",
            &["aws-", "rustls", "ring ", "hyper", "http ", "reqwest", "age ", "chrono", "url ", "vstd"],
        ),
        ("vault", &["aws-", "rustls", "ring ", "hyper", "http ", "reqwest"]),
        ("github", &["aws-", "age "]),
        ("cloudflare", &["aws-", "age ", "crypto_box"]),
        ("aws-ssm", &["aws-sdk-secretsmanager", "reqwest", "age ", "crypto_box", "p256"]),
        ("aws-secrets-manager", &["aws-sdk-ssm", "reqwest", "age ", "crypto_box", "p256"]),
    ];
    for (feature, banned) in absent {
        for name in crates(&[feature]) {
            assert!(!banned.iter().any(|start| name.starts_with(start)), "{feature} brings {name}");
        }
    }
}

#[test]
fn all_features_together_bring_one_tls_stack() {
    let crates = crates(&["full"]);
    for name in &crates {
        let second = ["aws-lc", "openssl-sys", "openssl ", "native-tls", "s2n", "boring"];
        assert!(!second.iter().any(|start| name.starts_with(start)), "{name} is in the tree");
    }
    for once in ["rustls", "ring", "hyper", "h2", "reqwest", "tokio-rustls", "hyper-rustls"] {
        let found = crates.iter().filter(|name| name.starts_with(&format!("{once} "))).count();
        assert_eq!(found, 1, "{once} in {crates:#?}");
    }
}

#[test]
fn each_feature_alone_builds() {
    let manifest =
        std::fs::read_to_string(support::repo().join("infra-sdk/Cargo.toml")).expect("it is there");
    let section = manifest.split("[features]").nth(1).expect("there are features");
    let section = section.split("\n[").next().unwrap_or_default();
    let features: Vec<&str> = section
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('=').map(|(name, _)| name.trim()))
        .collect();
    assert!(features.contains(&"default"), "{features:?}");
    // One crate is most of each check, and keeps one core busy. What both lanes need is built twice, so those that share the
    // most are in one.
    // None at all is what the tests of misuse build, and all of them is what these tests are built with.
    let alone = features.into_iter().filter(|feature| !["default", "full"].contains(feature));
    let (aws, others): (Vec<&str>, Vec<&str>) = alone.partition(|feature| feature.starts_with("aws"));
    let lane = |build: &str, features: &[&str]| {
        for feature in features {
            let folder = package(&format!("alone-{feature}"), &[feature], &[EMPTY]);
            let checked = cargo_into(build, &folder, &["check", "--bins"]).expect(0);
            assert!(!checked.stderr.contains("warning"), "{feature}: {}", checked.stderr);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| lane("build-aws", &aws));
        lane("build", &others);
    });
}

#[test]
fn the_two_steps_of_the_tests_share_what_they_compile() {
    let features_of = |args: &[&str]| -> BTreeSet<String> {
        let all = ["tree", "--prefix", "none", "--edges", "normal,build,dev", "--format", "{p} [{f}]"];
        let tree = cargo(&support::repo(), &[&all[..], args].concat()).expect(0);
        tree.stdout.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
    };
    let first = features_of(&["--package", "infra-sdk", "--features", "full", "--package", "xtask"]);
    let second = features_of(&["--package", "infra-sdk-tests", "--features", "remote"]);
    let name = |line: &str| line.split(" [").next().unwrap_or_default().to_owned();
    let in_both: BTreeSet<String> = second.iter().map(|line| name(line)).collect();
    let twice: Vec<&String> =
        first.difference(&second).filter(|line| in_both.contains(&name(line))).collect();
    assert!(twice.is_empty(), "with other features, so compiled twice: {twice:#?}");
    assert!(first.intersection(&second).count() > 300, "the trees were not read");
}
