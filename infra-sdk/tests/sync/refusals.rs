//! What a store could not take is refused before any request, all of it at once.

use infra_sdk::ErrorKind;
use infra_sdk::SecretValue;
use infra_sdk::names::Label;
use infra_sdk::secrets::{SyncTarget, plan_sync};

use crate::{Kind, Memory, PLAIN, Repo, hides, many, name, values};

#[tokio::test(start_paused = true)]
async fn names_and_values_no_store_takes_are_told_together() {
    let repo = Repo::new();
    let (github, ssm) = (Memory::new(Kind::Github), Memory::new(Kind::Ssm));
    let collide = values([("a_b", 1), ("A_B", 1), ("GITHUB_TOKEN", 1), ("FINE", 1)]);
    let mut empty = values([("a_b", 1), ("A_B", 1)]);
    empty.insert(name("NONE"), SecretValue::new(""));
    empty.insert(name("NUL"), SecretValue::new("canary\0"));
    let error = repo.plan(&[(&github, &collide), (&ssm, &empty)], PLAIN).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let shown = format!("{error:#}");
    hides(&format!("{error:?}"));
    for part in [
        "github-one: A_B and a_b are one secret there",
        "github-one: the name is reserved (secret: GITHUB_TOKEN)",
        "ssm-one: a secret's value is empty (secret: NONE)",
        "ssm-one: a secret's value has a NUL byte (secret: NUL)",
        "rename it",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    assert!(!shown.contains("FINE") && !shown.contains("ssm-one: A_B"), "{shown}");
    assert_eq!((github.requests(), ssm.requests()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn one_place_under_two_labels_and_a_pace_of_nothing_are_refused() {
    let (repo, store) = (Repo::new(), Memory::new(Kind::Github));
    let target = |label: &str, pace: Option<f64>| SyncTarget {
        label: Label::new(label).unwrap(),
        store: store.clone(),
        values: many(1),
        retired: Default::default(), pace,
    };
    let targets = vec![target("one", Some(0.0)), target("two", Some(f64::NAN))];
    hides(&format!("{targets:?}"));
    let error = plan_sync(targets, repo.state(), PLAIN).await.unwrap_err().to_string();
    assert!(error.contains("two: it is the same place as one"), "{error}");
    assert_eq!(error.matches("its writes a second are not more than 0").count(), 2, "{error}");
    assert_eq!(store.requests(), 0);
}
