//! A sync keeps the pace of a service, slows down when asked, and says so.

use std::sync::Arc;
use std::time::Duration;

use infra_sdk::names::Label;
use infra_sdk::secrets::{SecretStore, SyncTarget, plan_sync};
use infra_sdk::{CancelToken, Error, ErrorKind};
use tokio::time::Instant;

use crate::{Fault, Heard, Kind, Memory, PLAIN, Repo, many};

fn gaps(times: &[Instant]) -> Vec<u128> {
    times.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect()
}

#[tokio::test(start_paused = true)]
async fn writes_keep_the_documented_pace_or_the_one_that_is_set() {
    for (pace, gap) in [(None, 334), (Some(0.5), 2000), (Some(10.0), 100)] {
        let (repo, store) = (Repo::new(), Memory::new(Kind::Ssm));
        let label = Label::new("ssm").unwrap();
        let target = SyncTarget { label, store: store.clone(), values: many(8), retired: Default::default(), pace };
        let plan = plan_sync(vec![target], repo.state(), PLAIN).await.unwrap();
        plan.apply("ada", Arc::new(()), &CancelToken::new()).await.unwrap().complete().unwrap();
        let gaps = gaps(&store.times());
        assert!(gaps.iter().all(|its| its.abs_diff(gap) <= 2), "{gaps:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn stores_of_one_service_share_its_pace() {
    let (repo, wanted) = (Repo::new(), many(5));
    let (one, two) = (Memory::named(Kind::Github, "one"), Memory::named(Kind::Github, "two"));
    repo.sync(&[(&one, &wanted), (&two, &wanted)], PLAIN).await.unwrap().complete().unwrap();
    let mut times = [one.times(), two.times()].concat();
    times.sort();
    assert!(gaps(&times).iter().all(|gap| *gap >= 995), "{:?}", gaps(&times));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_asks_for_a_pause_gets_it_and_half_the_pace_after_it() {
    let limit = || {
        let wait = Some(Duration::from_secs(60));
        Error::new(ErrorKind::Unavailable, "too many requests (status: 429)").throttled(wait).hint("wait")
    };
    let (repo, store, wanted) = (Repo::new(), Memory::new(Kind::Github), many(10));
    store.fault(Fault::Once(5, limit));
    let heard = Arc::new(Heard::default());
    let report =
        repo.sync_with(&[(&store, &wanted)], PLAIN, heard.clone(), &CancelToken::new()).await.unwrap();
    report.complete().unwrap();
    let gaps = gaps(&store.times());
    assert!(gaps[..5].iter().all(|gap| gap.abs_diff(1000) <= 2), "{gaps:?}");
    assert!(gaps[5] >= 59_000, "{gaps:?}");
    assert!(gaps[6].abs_diff(2000) <= 2, "{gaps:?}");
    assert!(gaps[7..].is_sorted_by(|a, b| a > b) && gaps[9] > 1000, "it recovers slowly: {gaps:?}");
    let waits = heard.waits.lock().unwrap();
    assert_eq!(waits.len(), 1);
    assert_eq!(waits[0].0, Duration::from_secs(60));
    assert!(waits[0].1.contains("status: 429") && waits[0].1.contains("at most 5 minutes at a time"));
    let wrote = heard.wrote.lock().unwrap();
    assert_eq!((wrote.first(), wrote.last()), (Some(&(1, 10)), Some(&(10, 10))));
}

#[tokio::test(start_paused = true)]
async fn a_pause_longer_than_a_sync_waits_ends_it_at_once() {
    let limit = || {
        let wait = Some(Duration::from_secs(3600));
        Error::new(ErrorKind::Denied, "a secondary rate limit").throttled(wait).hint("wait")
    };
    let (repo, store, wanted) = (Repo::new(), Memory::new(Kind::Github), many(4));
    store.fault(Fault::From(1, limit));
    let begin = Instant::now();
    let report = repo.sync(&[(&store, &wanted)], PLAIN).await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(3) && store.writes() == 2);
    let failure = report.targets[0].failure.as_ref().unwrap();
    assert_eq!(failure, "the store asked to wait 3600 s, more than 5 minutes: a secondary rate limit");
    let error = report.complete().unwrap_err();
    assert!(error.is_retryable() && error.kind() == ErrorKind::Unavailable, "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn what_broke_is_tried_a_few_times_and_each_wait_is_told() {
    let broken = || Error::new(ErrorKind::Unavailable, "the connection broke").retryable().hint("look");
    let (repo, store, wanted) = (Repo::new(), Memory::new(Kind::Worker), many(4));
    store.fault(Fault::From(0, broken));
    let heard = Arc::new(Heard::default());
    let report =
        repo.sync_with(&[(&store, &wanted)], PLAIN, heard.clone(), &CancelToken::new()).await.unwrap();
    let waits: Vec<u64> = heard.waits.lock().unwrap().iter().map(|(wait, _)| wait.as_secs()).collect();
    assert_eq!((waits, store.writes()), (vec![1, 3, 9], 4));
    assert_eq!(report.targets[0].failure.as_ref().unwrap(), "the connection broke (attempts: 4)");
    // Cancelling ends a wait.
    let cancel = CancelToken::new();
    let begin = Instant::now();
    let stores = [(&store, &wanted)];
    let (report, ()) = tokio::join!(repo.sync_with(&stores, PLAIN, Arc::new(()), &cancel), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        cancel.cancel();
    });
    assert_eq!(report.unwrap().complete().unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_look_that_fails_for_a_moment_is_made_again() {
    let (repo, store, wanted) = (Repo::new(), Memory::new(Kind::Github), many(1));
    store
        .fault(Fault::Blind(|| Error::new(ErrorKind::Unavailable, "the list is down").retryable().hint("w")));
    let error = repo.plan(&[(&store, &wanted)], PLAIN).await.unwrap_err();
    assert_eq!(store.requests(), 3);
    assert!(error.is_retryable(), "{error:?}");
    assert_eq!(error.to_string(), format!("look at {}", store.name()));
}
