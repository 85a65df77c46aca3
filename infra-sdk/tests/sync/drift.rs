//! What others write is told, never written over by itself, and never removed.

use infra_sdk::ErrorKind;
use infra_sdk::secrets::{Action, SyncOptions};

use crate::{DRIFT, Fault, Kind, Memory, PLAIN, PRUNE, REPAIR, Repo, many, name, values};

#[tokio::test(start_paused = true)]
async fn a_moved_stamp_is_told_at_every_sync_and_written_over_only_when_asked() {
    for kind in [Kind::Github, Kind::Ssm, Kind::SecretsManager] {
        let (repo, store, mut wanted) = (Repo::new(), Memory::new(kind), many(4));
        repo.sync(&[(&store, &wanted)], PLAIN).await.unwrap().complete().unwrap();
        store.meddle("S001");
        store.meddle("S002");
        // Also where our own value changed.
        wanted.extend(values([("S002", 2), ("S003", 2)]));
        for _ in 0..3 {
            let plan = repo.plan(&[(&store, &wanted)], DRIFT).await.unwrap();
            let drifted: Vec<_> = plan.targets[0].of(Action::Drifted).collect();
            assert_eq!(drifted, [&name("S001"), &name("S002")], "{kind:?}: {plan}");
            assert!(plan.to_string().contains("drifted S001  changed elsewhere: `--repair`"), "{plan}");
            let report = repo.sync(&[(&store, &wanted)], DRIFT).await.unwrap();
            let error = report.complete().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict);
            assert!(
                format!("{error:#}").contains(": S001, S002") && format!("{error:#}").contains("--repair")
            );
        }
        store.forget();
        let report = repo.sync(&[(&store, &wanted)], SyncOptions { drift: true, ..REPAIR }).await.unwrap();
        report.complete().unwrap();
        assert_eq!(report.targets[0].repaired, [name("S001"), name("S002")]);
        assert!(store.holds(&wanted) && store.forget() == ["S001", "S002"], "{kind:?}");
        assert!(repo.plan(&[(&store, &wanted)], DRIFT).await.unwrap().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn what_changes_while_a_sync_writes_is_drift_at_the_next_one() {
    let (repo, store, mut wanted) = (Repo::new(), Memory::new(Kind::Github), many(3));
    repo.sync(&[(&store, &wanted)], PLAIN).await.unwrap().complete().unwrap();
    wanted.extend(values([("S000", 2)]));
    let plan = repo.plan(&[(&store, &wanted)], PLAIN).await.unwrap();
    store.meddle("S001");
    plan.apply("ada", std::sync::Arc::new(()), &infra_sdk::CancelToken::new()).await.unwrap();
    for _ in 0..2 {
        let report = repo.sync(&[(&store, &wanted)], PLAIN).await.unwrap();
        assert_eq!(report.targets[0].drifted, [name("S001")], "{report}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_others_deleted_is_made_again() {
    for kind in Kind::ALL {
        let (repo, store, wanted) = (Repo::new(), Memory::new(kind), many(12));
        repo.sync(&[(&store, &wanted)], PLAIN).await.unwrap().complete().unwrap();
        store.lose("S003");
        let report = repo.sync(&[(&store, &wanted)], DRIFT).await.unwrap();
        report.complete().unwrap();
        assert_eq!(report.targets[0].created, [name("S003")], "{kind:?}");
        assert!(store.holds(&wanted));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_wanted_any_more_is_shown_and_removed_only_when_asked() {
    for kind in Kind::ALL {
        let (repo, store, mut wanted) = (Repo::new(), Memory::new(kind), many(3));
        repo.sync(&[(&store, &wanted)], PLAIN).await.unwrap().complete().unwrap();
        store.meddle("THEIRS");
        wanted.remove("S001");
        for _ in 0..2 {
            let report = repo.sync(&[(&store, &wanted)], PLAIN).await.unwrap();
            report.complete().unwrap();
            assert_eq!(report.targets[0].prunable, [name("S001")], "{kind:?}: {report}");
            assert_eq!(report.targets[0].foreign, [name("THEIRS")], "{kind:?}: {report}");
            assert!(report.to_string().contains("`--prune` removes it: S001"), "{report}");
        }
        let report = repo.sync(&[(&store, &wanted)], PRUNE).await.unwrap();
        assert_eq!(report.targets[0].pruned, [name("S001")], "{kind:?}");
        assert_eq!(store.names(), ["S000", "S002", "THEIRS"]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_wanted_and_was_written_by_others_since_is_theirs() {
    let (repo, store, mut wanted) = (Repo::new(), Memory::new(Kind::Github), many(2));
    repo.sync(&[(&store, &wanted)], PLAIN).await.unwrap().complete().unwrap();
    store.meddle("S001");
    wanted.remove("S001");
    for options in [PRUNE, SyncOptions { drift: true, repair: true, prune: true }] {
        let report = repo.sync(&[(&store, &wanted)], options).await.unwrap();
        report.complete().unwrap();
        assert_eq!(report.targets[0].foreign, [name("S001")], "{report}");
    }
    assert_eq!(store.names(), ["S000", "S001"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_removed_before_everything_wanted_is_there() {
    for kind in Kind::ALL {
        let (repo, store, mut wanted) = (Repo::new(), Memory::new(kind), many(3));
        repo.sync(&[(&store, &wanted)], PLAIN).await.unwrap().complete().unwrap();
        wanted.remove("S001");
        wanted.extend(values([("BAD", 1), ("NEW", 1)]));
        store.fault(Fault::Refuses("BAD"));
        let report = repo.sync(&[(&store, &wanted)], PRUNE).await.unwrap();
        let target = &report.targets[0];
        assert_eq!((&target.created, &target.left), (&vec![name("NEW")], &vec![name("BAD"), name("S001")]));
        assert_eq!(report.complete().unwrap_err().kind(), ErrorKind::Invalid, "{kind:?}");
        assert!(target.failure.as_ref().unwrap().contains("(secret: BAD)"), "{report}");
        assert!(store.names().contains(&"S001".to_owned()));
        store.fault(Fault::None);
        store.forget();
        repo.sync(&[(&store, &wanted)], PRUNE).await.unwrap().complete().unwrap();
        assert_eq!(
            store.forget(),
            ["BAD", "S001"],
            "{kind:?}: a refused write is a write that was never made"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn stamps_that_could_not_be_read_at_the_end_are_learnt_by_the_next_sync() {
    let (repo, store, wanted) = (Repo::new(), Memory::new(Kind::Github), many(2));
    let plan = repo.plan(&[(&store, &wanted)], PLAIN).await.unwrap();
    let down = || infra_sdk::Error::new(ErrorKind::Unavailable, "the list is down").hint("wait");
    store.fault(Fault::Blind(down));
    let report = plan.apply("ada", std::sync::Arc::new(()), &infra_sdk::CancelToken::new()).await.unwrap();
    report.complete().unwrap();
    assert!(report.targets[0].note.as_ref().unwrap().contains("not known yet: the list is down"), "{report}");
    assert!(repo.state().known().unwrap().iter().all(|write| write.stamp.is_none()));
    store.fault(Fault::None);
    repo.sync(&[(&store, &wanted)], PLAIN).await.unwrap().complete().unwrap();
    assert!(repo.state().known().unwrap().iter().all(|write| write.stamp.is_some()));
    store.meddle("S001");
    let report = repo.sync(&[(&store, &wanted)], PLAIN).await.unwrap();
    assert_eq!((report.targets[0].drifted.len(), store.forget().len()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_list_that_lags_behind_a_write_is_not_drift() {
    let (repo, store, mut wanted) = (Repo::new(), Memory::new(Kind::Github), many(2));
    repo.sync(&[(&store, &wanted)], PLAIN).await.unwrap().complete().unwrap();
    wanted.extend(values([("S001", 2), ("NEW", 1)]));
    let plan = repo.plan(&[(&store, &wanted)], PLAIN).await.unwrap();
    store.fault(Fault::Lags);
    plan.apply("ada", std::sync::Arc::new(()), &infra_sdk::CancelToken::new()).await.unwrap();
    store.fault(Fault::None);
    store.forget();
    for _ in 0..2 {
        repo.sync(&[(&store, &wanted)], DRIFT).await.unwrap().complete().unwrap();
    }
    assert!(store.forget().is_empty() && store.holds(&wanted));
}
