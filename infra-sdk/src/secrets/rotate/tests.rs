//! Rotations against a store that fails at every possible moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::config::{Generate, SecretSpec, Shared};
use crate::env::Env;
use crate::error::{Error, ErrorKind, Result};
use crate::names::{EnvName, SecretName};
use crate::secret::SecretValue;
use crate::secrets::dotenv::Dotenv;
use crate::secrets::status::{Known, KnownState, TargetState};
use crate::secrets::values::{Given, Values, collect};
use crate::secrets::{Costs, Listing, Mark, Needs, SecretChange, SecretStore, Stamps, WriteReport, Written};

type Map = BTreeMap<SecretName, SecretValue>;

/// A store whose requests carry so many changes, and which fails once.
struct Failing {
    puts: usize,
    held: Mutex<Map>,
    /// The request that fails, from 0, and whether it is made all the same.
    fails: Mutex<Option<(usize, bool)>>,
    requests: Mutex<usize>,
}

impl Failing {
    fn new(puts: usize, held: &[(&str, &str)], fails: Option<(usize, bool)>) -> Self {
        let (held, fails, requests) = (Mutex::new(map(held)), Mutex::new(fails), Mutex::new(0));
        Failing { puts, held, fails, requests }
    }

    fn held(&self) -> Map {
        self.held.lock().unwrap().clone()
    }
}

#[async_trait]
impl SecretStore for Failing {
    fn name(&self) -> &str {
        "memory"
    }
    fn id(&self) -> &str {
        "memory"
    }
    fn costs(&self) -> Costs {
        let stamps = Stamps::None;
        Costs {
            puts: self.puts,
            deletes: 1,
            mixed: true,
            page: 100,
            opening: 0,
            stamps,
            pace: None,
            ..Costs::default()
        }
    }
    fn key(&self, name: &SecretName) -> String {
        name.to_string()
    }
    fn check(&self, change: &SecretChange) -> Result<()> {
        SecretChange::check_batch(std::slice::from_ref(change))
    }
    async fn look(&self, _: Option<&Mark>) -> Result<Listing> {
        unreachable!("a rotation does not list")
    }
    async fn write(&self, changes: &[SecretChange]) -> Result<WriteReport> {
        SecretChange::check_batch(changes)?;
        assert!(!changes.is_empty());
        let (mut requests, mut report) = (self.requests.lock().unwrap(), WriteReport::default());
        let (mut held, mut fails) = (self.held.lock().unwrap(), self.fails.lock().unwrap());
        // A batch is made in an order of its own: here from its end.
        for request in changes.rchunks(self.puts) {
            let failure = fails.take_if(|(at, _)| *at == *requests);
            *requests += 1;
            if failure.is_none_or(|(_, made)| made) {
                for change in request {
                    match change {
                        SecretChange::Put { name, value, .. } => held.insert(name.clone(), value.clone()),
                        SecretChange::Delete { name } => held.remove(name),
                    };
                }
            }
            if failure.is_some() {
                report.failure = Some(Error::new(ErrorKind::Unavailable, "the line is cut").retryable());
                return Ok(report);
            }
            let done = request.iter().map(|change| Written { name: change.name().clone(), stamp: None });
            report.written.extend(done);
        }
        Ok(report)
    }
}

fn name(text: &str) -> SecretName {
    text.parse().unwrap()
}

fn map(pairs: &[(&str, &str)]) -> Map {
    pairs.iter().map(|(n, v)| (name(n), SecretValue::new(*v))).collect()
}

fn needs() -> Needs {
    let made = SecretSpec { generate: Some(Generate { bytes: 32 }), ..SecretSpec::default() };
    let shared = SecretSpec { shared: Some(Shared::Org), ..SecretSpec::default() };
    let elsewhere = SecretSpec { envs: vec!["production".parse().unwrap()], ..SecretSpec::default() };
    let plain = SecretSpec::default();
    let declared = [("KEY", made), ("GIVEN", plain), ("SHARED", shared), ("ELSEWHERE", elsewhere)];
    Needs::of(&declared.map(|(n, spec)| (name(n), spec)).into(), &EnvName::local())
}

fn values(stored: &Map, dotenv: &str) -> Values {
    let (env, dotenv) = (Env::of([("", ""); 0], "/"), Dotenv::parse(dotenv, ".env").unwrap());
    let organisation = BTreeMap::new();
    let (dotenv, tag) = (Some(&dotenv), "v1");
    let given =
        Given { env: &env, ci: false, dotenv, store: "memory", stored, tag, organisation: &organisation };
    collect(&needs(), given)
}

fn plan_with(
    secret: &str,
    stored: &Map,
    dotenv: &str,
    targets: &[TargetState],
    finish: bool,
) -> Result<RotationPlan> {
    let values = values(stored, dotenv);
    plan_rotation(&needs(), &name(secret), RotationState { stored, values: &values, targets }, finish)
}

fn plan(stored: &Map, finish: bool) -> Result<RotationPlan> {
    plan_with("KEY", stored, "", &[], finish)
}

fn target(label: &str, states: &[(&str, KnownState)]) -> TargetState {
    let known = |state| Known { state, time: None, by: None };
    let secrets = states.iter().map(|(n, state)| (name(n), known(*state))).collect();
    TargetState { label: label.into(), secrets }
}

fn exposed(held: &Map) -> BTreeMap<&str, &str> {
    held.iter().map(|(n, v)| (n.as_str(), v.expose())).collect()
}

#[tokio::test]
async fn whenever_the_store_fails_no_value_is_lost_and_the_next_run_completes_it() {
    for puts in [1, 2, usize::MAX] {
        let whole = Failing::new(puts, &[("KEY", "canary-old")], None);
        plan(&whole.held(), false).unwrap().apply(None, &whole).await.unwrap();
        let requests = *whole.requests.lock().unwrap();
        assert_eq!(requests, if puts == 1 { 2 } else { 1 });
        for fails in (0..requests).flat_map(|at| [(at, false), (at, true)]) {
            let store = Failing::new(puts, &[("KEY", "canary-old")], Some(fails));
            let error = plan(&store.held(), false).unwrap().apply(None, &store).await.unwrap_err();
            assert!(error.is_retryable() && !format!("{error:?}").contains("canary"), "{error:?}");
            let between = store.held();
            let values: BTreeSet<&str> = between.values().map(SecretValue::expose).collect();
            assert!(values.contains("canary-old"), "{puts} {fails:?} lost the old value");

            let again = plan(&between, false).unwrap();
            let begun = again.step == RotationStep::Nothing;
            assert_eq!(begun, values.len() == 2, "{puts} {fails:?}");
            again.apply(None, &store).await.unwrap();
            let after = store.held();
            assert_eq!(after[&name("KEY_PREVIOUS")].expose(), "canary-old");
            assert_ne!(after[&name("KEY")].expose(), "canary-old");
            assert!(!begun || after == between, "{puts} {fails:?} made a third value");
        }
    }
}

#[tokio::test]
async fn a_supplied_value_goes_through_the_whole_rotation() {
    let store = Failing::new(1, &[("GIVEN", "canary-old"), ("OTHER", "x")], None);
    let go = |finish| plan_with("GIVEN", &store.held(), "", &[], finish);
    let begin = go(false).unwrap();
    assert!(begin.needs_value() && begin.step == RotationStep::Begin);
    assert!(!format!("{begin:?}{begin}{}", serde_json::to_string(&begin).unwrap()).contains("canary"));
    let report = begin.apply(Some(SecretValue::new("canary-new")), &store).await.unwrap();
    assert_eq!(report.to_string(), "memory: GIVEN has a new value, GIVEN_PREVIOUS the old one");
    assert_eq!(report.changed, [name("GIVEN_PREVIOUS"), name("GIVEN")]);

    let goes_on = go(false).unwrap();
    assert!(goes_on.step == RotationStep::Nothing && !goes_on.takes_value());
    let error = goes_on.apply(Some(SecretValue::new("canary-third")), &store).await.unwrap_err();
    assert!(error.to_string().contains("under way already") && !format!("{error:?}").contains("canary"));

    let report = go(true).unwrap().apply(None, &store).await.unwrap();
    assert_eq!(report.to_string(), "memory: GIVEN_PREVIOUS is gone");
    assert_eq!(exposed(&store.held()), [("GIVEN", "canary-new"), ("OTHER", "x")].into());
    let error = go(true).unwrap_err();
    assert_eq!(error.operation(), "no rotation of this secret is under way");
}

#[tokio::test]
async fn a_value_that_changes_nothing_is_refused_before_anything_is_written() {
    let store = Failing::new(1, &[("GIVEN", "canary")], None);
    for new in [None, Some(""), Some("canary"), Some("x\0")] {
        let plan = plan_with("GIVEN", &store.held(), "", &[], false).unwrap();
        let error = plan.apply(new.map(SecretValue::new), &store).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Invalid && !error.hints().is_empty(), "{error:?}");
        assert!(!format!("{error:?}").contains("canary"));
    }
    assert_eq!(*store.requests.lock().unwrap(), 0);
}

#[test]
fn what_cannot_be_rotated_says_why_and_what_to_do() {
    let stored = map(&[("SHARED", "x"), ("ELSEWHERE", "x"), ("GIVEN", "")]);
    let error = |secret: &str| plan_with(secret, &stored, "", &[], false).unwrap_err();
    assert!(error("GIVN").hints()[0].contains("did you mean `GIVEN`?"));
    assert!(error("ELSEWHERE").to_string().contains("this environment does not need"));
    assert!(
        error("SHARED").kind() == ErrorKind::Denied && error("SHARED").hints()[0].contains("extends.tag")
    );
    assert!(
        error("GIVEN").kind() == ErrorKind::NotFound && error("GIVEN").hints()[0].contains("secrets:setup")
    );
    assert!(error("KEY_PREVIOUS").kind() == ErrorKind::NotFound);
    let interrupted = map(&[("KEY", "x"), ("KEY_PREVIOUS", "x")]);
    assert!(plan(&interrupted, true).unwrap_err().to_string().contains("interrupted"));
    assert_eq!(plan(&interrupted, false).unwrap().step, RotationStep::Begin);
}

#[tokio::test]
async fn the_targets_decide_whether_a_rotation_goes_on_waits_or_may_be_finished() {
    use KnownState::{ChangedLocally, Drifted, InSync, NeverWritten, NotNeeded, Unknown};
    let stored = map(&[("KEY", "new"), ("KEY_PREVIOUS", "old")]);
    let both = |key, previous| target("github", &[("KEY", key), ("KEY_PREVIOUS", previous)]);
    let other = target("ssm", &[("GIVEN", NeverWritten)]);
    let step = |targets: &[TargetState], finish| plan_with("KEY", &stored, "", targets, finish);
    for (known, wanted) in [
        (both(InSync, InSync), RotationStep::Nothing),
        (both(InSync, NeverWritten), RotationStep::Continue),
        (both(ChangedLocally, InSync), RotationStep::Continue),
        (both(Drifted, InSync), RotationStep::Continue),
        (both(Unknown, InSync), RotationStep::Continue),
        (target("github", &[("KEY", InSync)]), RotationStep::Continue),
    ] {
        let plan = step(&[known, other.clone()], false).unwrap();
        assert_eq!(plan.step, wanted);
        assert_eq!(plan.left.is_empty(), wanted == RotationStep::Nothing);
    }
    let behind = step(&[both(ChangedLocally, InSync), other.clone()], true).unwrap_err();
    assert_eq!(behind.kind(), ErrorKind::Conflict);
    assert!(behind.to_string().contains("left: github"), "{behind}");
    assert_eq!(step(&[both(InSync, NeverWritten)], true).unwrap().step, RotationStep::Finish);

    // Killed after the store was written and before the targets were.
    let finished = map(&[("KEY", "new")]);
    let targets = [both(InSync, NotNeeded), other];
    let rest = plan_with("KEY", &finished, "", &targets, true).unwrap();
    assert_eq!(rest.to_string(), "KEY: KEY_PREVIOUS is dropped\n  to write: github");
    let store = Failing::new(1, &[], None);
    assert!(rest.apply(None, &store).await.unwrap().changed.is_empty());
}

#[test]
fn another_value_in_the_file_would_undo_the_rotation_and_is_refused() {
    let before = map(&[("KEY", "canary-old")]);
    let error = plan_with("KEY", &before, "\nKEY=canary-other\n", &[], false).unwrap_err();
    assert!(error.kind() == ErrorKind::Conflict && error.to_string().contains(".env:2"), "{error}");
    assert!(!format!("{error:?}").contains("canary"));
    assert!(plan_with("KEY", &before, "KEY=canary-old\n", &[], false).is_ok());
    let after = map(&[("KEY", "canary-new"), ("KEY_PREVIOUS", "canary-old")]);
    assert!(plan_with("KEY", &after, "KEY=canary-old\n", &[], false).is_ok());
    let error = plan_with("KEY", &after, "KEY=canary-old\n", &[], true).unwrap_err();
    assert!(error.to_string().contains("used again after the rotation"), "{error}");
    assert!(plan_with("KEY", &after, "KEY=canary-new\n", &[], true).is_ok());
}
