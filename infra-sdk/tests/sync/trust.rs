//! A state that was touched, rolled back or lost is not believed: everything is written, nothing is removed.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use infra_sdk::secrets::{Action, FingerprintKey};
use infra_sdk::{CancelToken, ErrorKind};

use crate::{Kind, Memory, PLAIN, PRUNE, Repo, Values, many, values};

async fn synced(kind: Kind) -> (Repo, Arc<Memory>, Values) {
    let (repo, store, wanted) = (Repo::new(), Memory::new(kind), many(3));
    repo.sync(&[(&store, &wanted)], PLAIN).await.unwrap().complete().unwrap();
    store.forget();
    (repo, store, wanted)
}

/// Everything is written, `S002` is not removed though nobody wants it, and then all is well again.
async fn distrusts(repo: &Repo, store: &Arc<Memory>, wanted: &Values, why: &str) {
    let mut wanted = wanted.clone();
    wanted.remove("S002");
    assert!(repo.state().known().unwrap().is_empty());
    assert!(repo.state().distrust().unwrap().unwrap().contains(why));
    let plan = repo.plan(&[(store, &wanted)], PRUNE).await.unwrap();
    let note = plan.targets[0].note.clone().unwrap();
    assert!(note.contains("not believed") && note.contains(why), "{note}");
    assert_eq!(plan.targets[0].of(Action::Update).count(), 2, "{plan}");
    let report = repo.sync(&[(store, &wanted)], PRUNE).await.unwrap();
    report.complete().unwrap();
    assert!(report.to_string().contains(why), "{report}");
    assert_eq!(store.forget(), ["S000", "S001"], "{why}");
    assert!(store.names().contains(&"S002".to_owned()));
    assert_eq!(repo.state().distrust().unwrap(), None);
    assert!(repo.plan(&[(store, &wanted)], PRUNE).await.unwrap().is_empty(), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_bad_mac_means_all_changed() {
    for kind in Kind::ALL {
        let (repo, store, wanted) = synced(kind).await;
        let text = fs::read_to_string(repo.file()).unwrap();
        fs::write(repo.file(), text.replace("\"by\":\"ada\"", "\"by\":\"eve\"")).unwrap();
        distrusts(&repo, &store, &wanted, "changed or cut").await;
    }
}

#[tokio::test(start_paused = true)]
async fn garbage_means_all_changed() {
    let garbage: [&[u8]; 6] = [b"", b"\0", b"\xff\xfe", b"{}", b"[[[[", b"\n\n\n"];
    for garbage in garbage {
        let (repo, store, wanted) = synced(Kind::Github).await;
        fs::write(repo.file(), garbage).unwrap();
        distrusts(&repo, &store, &wanted, "does not begin like one").await;
    }
}

#[tokio::test(start_paused = true)]
async fn another_key_means_all_changed() {
    let (mut repo, store, wanted) = synced(Kind::Github).await;
    repo.key = FingerprintKey::from_bytes([8; 32]);
    distrusts(&repo, &store, &wanted, "another key").await;
}

#[tokio::test(start_paused = true)]
async fn an_older_state_than_this_machine_has_seen_means_all_changed() {
    let (repo, store, wanted) = synced(Kind::Ssm).await;
    let old = fs::read(repo.file()).unwrap();
    let newer = values([("S000", 2), ("S001", 1), ("S002", 1)]);
    repo.sync(&[(&store, &newer)], PLAIN).await.unwrap().complete().unwrap();
    store.forget();
    fs::write(repo.file(), old).unwrap();
    distrusts(&repo, &store, &wanted, "this machine has seen generation").await;
}

#[tokio::test(start_paused = true)]
async fn a_damaged_memory_means_all_changed_and_a_new_machine_believes() {
    for memory in ["", "x", "-1", "99999999999999999999999"] {
        let (repo, store, wanted) = synced(Kind::Github).await;
        fs::write(repo.seen(), memory).unwrap();
        distrusts(&repo, &store, &wanted, "memory of it is damaged").await;
    }
    let (repo, store, wanted) = synced(Kind::Github).await;
    fs::remove_file(repo.seen()).unwrap();
    assert!(repo.plan(&[(&store, &wanted)], PLAIN).await.unwrap().is_empty());
    // And remembers from then on.
    repo.sync(&[(&store, &wanted)], PLAIN).await.unwrap().complete().unwrap();
    assert!(fs::read_to_string(repo.seen()).unwrap().trim().parse::<u64>().unwrap() > 0);
}

#[tokio::test(start_paused = true)]
async fn a_lost_state_is_a_first_sync_whose_state_is_newer_than_the_lost_one() {
    let (repo, store, wanted) = synced(Kind::SecretsManager).await;
    let seen = || fs::read_to_string(repo.seen()).unwrap().trim().parse::<u64>().unwrap();
    let before = seen();
    fs::remove_file(repo.file()).unwrap();
    assert_eq!(repo.state().distrust().unwrap(), None);
    let report = repo.sync(&[(&store, &wanted)], PRUNE).await.unwrap();
    report.complete().unwrap();
    assert_eq!((report.targets[0].updated.len(), store.forget().len()), (3, 3));
    assert!(seen() > before && repo.plan(&[(&store, &wanted)], PLAIN).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_plan_is_not_applied_to_another_state_nor_beside_another_sync() {
    let (repo, store, wanted) = synced(Kind::Github).await;
    let changed = values([("S000", 2), ("S001", 1), ("S002", 1)]);
    let apply = async |plan: infra_sdk::secrets::SyncPlan| {
        plan.apply("ada", Arc::new(()), &CancelToken::new()).await.unwrap_err()
    };
    let stale = repo.plan(&[(&store, &changed)], PLAIN).await.unwrap();
    repo.sync(&[(&store, &changed)], PLAIN).await.unwrap().complete().unwrap();
    store.forget();
    let error = apply(stale).await;
    assert_eq!((error.kind(), error.hints().len()), (ErrorKind::Conflict, 1), "{error:?}");

    let lock = infra_sdk::file::FileLock::acquire(&Path::new(&repo.folder).join("home/seen.lock")).unwrap();
    let error = apply(repo.plan(&[(&store, &wanted)], PLAIN).await.unwrap()).await;
    assert_eq!((error.kind(), error.hints().len()), (ErrorKind::Locked, 1), "{error:?}");
    drop(lock);
    assert_eq!(store.forget().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_state_that_cannot_be_written_stops_the_sync_before_its_first_write() {
    let (repo, store, wanted) = (Repo::new(), Memory::new(Kind::Github), many(2));
    fs::write(repo.folder.join("infra"), "a file where the folder should be").unwrap();
    let plan = repo.plan(&[(&store, &wanted)], PLAIN).await;
    // Reading already tells, or else writing does.
    if let Ok(plan) = plan {
        let done = plan.apply("ada", Arc::new(()), &CancelToken::new()).await;
        let error = done.and_then(|report| report.complete()).unwrap_err();
        assert!(!error.hints().is_empty(), "{error:?}");
    }
    assert_eq!(store.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_the_state_knows_is_told_without_a_request() {
    let (repo, store, _) = synced(Kind::Ssm).await;
    let known = repo.state().known().unwrap();
    assert_eq!((known.len(), store.requests()), (3, 0));
    assert!(
        known.iter().all(|write| write.by == "ada" && write.target_id == "ssm:one" && write.stamp.is_some())
    );
    assert!(known.is_sorted_by_key(|write| write.name.clone()));
    let json = serde_json::to_string(&known).unwrap();
    assert!(json.contains("\"fingerprint\":\"") && !json.contains("canary"));
}
