//! What every store of runs must do about leases: one check for each sentence of the contract of `Leases`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use infra_sdk::ErrorKind;
use infra_sdk::runs::{Lease, LeaseRequest, RunStore};

/// Longer than any store takes to notice that a lease is over, and shorter than a test's patience.
const SOON: Duration = Duration::from_secs(10);

/// Checks a store without leases.
pub(crate) async fn hold(store: &Arc<dyn RunStore>) {
    leases(store).await;
    lease_races(store).await;
}

fn request(name: &str, seconds: u64) -> LeaseRequest {
    LeaseRequest {
        name: name.into(),
        holder: "ada@laptop".into(),
        note: "{\"repos\":[\"ü\"]}".into(),
        length: Duration::from_secs(seconds),
    }
}

async fn names(store: &Arc<dyn RunStore>, prefix: &str) -> Vec<String> {
    let mut names: Vec<String> =
        store.leases(prefix).await.expect("leases").into_iter().map(|lease| lease.name).collect();
    names.sort();
    names
}

/// Waits until a lease is gone, and says how long that took.
async fn gone(store: &Arc<dyn RunStore>, name: &str) -> Duration {
    let begun = Instant::now();
    while !names(store, name).await.is_empty() {
        assert!(begun.elapsed() < SOON, "the lease {name} never ends");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    begun.elapsed()
}

async fn leases(store: &Arc<dyn RunStore>) {
    assert_eq!(names(store, "agents/").await, [""; 0]);
    let begun = Instant::now();
    let short = store.hold(&request("agents/short", 2)).await.expect("held");
    let kept = store.hold(&request("agents/kept", 60)).await.expect("held");
    let other = store.hold(&request("coordinator/one", 60)).await.expect("held");
    assert_eq!(names(store, "agents/").await, ["agents/kept", "agents/short"]);
    assert_eq!(names(store, "coordinator/").await, ["coordinator/one"]);
    let seen = store.leases("agents/kept").await.expect("leases").remove(0);
    let as_given = |lease: &Lease| (lease.id.clone(), lease.holder.clone(), lease.note.clone(), lease.length);
    assert_eq!(as_given(&seen), as_given(&kept), "read as it was given");
    assert_eq!(
        (kept.holder.as_str(), kept.note.as_str(), kept.length),
        ("ada@laptop", "{\"repos\":[\"ü\"]}", Duration::from_secs(60))
    );

    let refused = store.hold(&request("agents/short", 2)).await.expect_err("it is held");
    assert!(refused.kind() == ErrorKind::Locked && refused.to_string().contains("ada@laptop"), "{refused:?}");

    // Renewed, it lives on beyond its first length.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let renewed = store.renew(&short).await.expect("renewed");
    assert_eq!(renewed.id, short.id);
    let from = Instant::now();
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert!(begun.elapsed() > Duration::from_secs(2));
    assert_eq!(names(store, "agents/short").await, ["agents/short"], "not before its time");
    gone(store, "agents/short").await;
    let lasted = from.elapsed();
    assert!(lasted >= Duration::from_millis(1900) && lasted < Duration::from_secs(5), "{lasted:?}");
    for lease in [&short, &renewed] {
        assert_eq!(store.renew(lease).await.expect_err("it is gone").kind(), ErrorKind::Conflict);
    }

    let next = store.hold(&request("agents/short", 60)).await.expect("free again");
    assert_ne!(next.id, short.id, "another holding of it");
    assert_eq!(store.renew(&renewed).await.expect_err("another's").kind(), ErrorKind::Conflict);
    assert!(!store.release(&renewed).await.expect("another's is never touched"));
    assert_eq!(names(store, "agents/short").await, ["agents/short"]);
    let next = store.renew(&next).await.expect("renewed");
    assert!(store.release(&next).await.expect("released"));
    assert!(!store.release(&next).await.expect("released before"));
    assert_eq!(store.renew(&next).await.expect_err("released").kind(), ErrorKind::Conflict);
    assert_eq!(names(store, "agents/").await, ["agents/kept"]);
    for lease in [&kept, &other] {
        assert!(store.release(lease).await.expect("released"));
    }
    store
        .release(&store.hold(&request("agents/kept", 2)).await.expect("free at once"))
        .await
        .expect("released");
}

async fn lease_races(store: &Arc<dyn RunStore>) {
    let racing: Vec<_> = (0..12)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.hold(&request("coordinator/raced", 60)).await })
        })
        .collect();
    let mut held = Vec::new();
    for result in racing {
        match result.await.expect("it ran") {
            Ok(lease) => held.push(lease),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Locked, "{error:?}"),
        }
    }
    assert_eq!(held.len(), 1, "exactly one gets it");
    assert!(store.release(&held[0]).await.expect("released"));
}
