//! A sync makes exactly the requests that its plan counts, and no store can be kept with fewer.

use infra_sdk::secrets::SyncOptions;

use crate::{DRIFT, Kind, Memory, PLAIN, PRUNE, Repo, many, values};

#[tokio::test(start_paused = true)]
async fn three_changes_and_one_removal_among_a_hundred_cost_the_floor() {
    let all = SyncOptions { prune: true, ..DRIFT };
    for (kind, options, made, planned) in [
        (Kind::Github, PRUNE, 1, 6),
        (Kind::Github, all, 1, 6),
        (Kind::Ssm, PRUNE, 0, 4),
        (Kind::Ssm, all, 10, 4),
        (Kind::SecretsManager, PRUNE, 1, 4),
        (Kind::Worker, PRUNE, 1, 1),
    ] {
        let (repo, store) = (Repo::new(), Memory::new(kind));
        let mut wanted = many(100);
        repo.sync(&[(&store, &wanted)], PLAIN).await.unwrap().complete().unwrap();
        wanted.extend(values([("S000", 2), ("S050", 2), ("S099", 2)]));
        wanted.remove("S001");
        store.forget();
        let plan = repo.plan(&[(&store, &wanted)], options).await.unwrap();
        let calls = plan.calls();
        assert_eq!((calls.made, calls.planned), (made, planned), "{kind:?}: {plan}");
        let report =
            plan.apply("ada", std::sync::Arc::new(()), &infra_sdk::CancelToken::new()).await.unwrap();
        report.complete().unwrap();
        assert_eq!(store.requests(), made + planned, "{kind:?}");
        assert_eq!(
            store.forget(),
            ["S000", "S050", "S099", "S001"],
            "{kind:?}: what is not wanted goes last"
        );
        assert!(store.holds(&wanted) && store.names().len() == 99);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sync_that_has_nothing_to_do_costs_one_request_or_none_and_leaves_the_state_alone() {
    for (kind, options, requests) in [
        (Kind::Github, PLAIN, 1),
        (Kind::Github, DRIFT, 1),
        (Kind::Ssm, PLAIN, 0),
        (Kind::Ssm, DRIFT, 10),
        (Kind::SecretsManager, PLAIN, 1),
        (Kind::Worker, PLAIN, 1),
    ] {
        let (repo, store, wanted) = (Repo::new(), Memory::new(kind), many(100));
        repo.sync(&[(&store, &wanted)], PLAIN).await.unwrap().complete().unwrap();
        store.forget();
        let state = std::fs::read(repo.file()).unwrap();
        let plan = repo.plan(&[(&store, &wanted)], options).await.unwrap();
        assert!(plan.is_empty(), "{kind:?}: {plan}");
        assert_eq!((plan.calls().made, plan.calls().planned), (requests, 0), "{kind:?}");
        let report = repo.sync(&[(&store, &wanted)], options).await.unwrap();
        report.complete().unwrap();
        assert_eq!((report.targets[0].unchanged, store.requests()), (100, 2 * requests), "{kind:?}");
        assert_eq!(std::fs::read(repo.file()).unwrap(), state, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_sync_looks_once_and_writes_each_secret_once() {
    for (kind, requests) in
        [(Kind::Github, 103), (Kind::Ssm, 101), (Kind::SecretsManager, 101), (Kind::Worker, 2)]
    {
        let (repo, store, wanted) = (Repo::new(), Memory::new(kind), many(100));
        let calls = repo.plan(&[(&store, &wanted)], PLAIN).await.unwrap().calls();
        store.forget();
        let report = repo.sync(&[(&store, &wanted)], PLAIN).await.unwrap();
        assert_eq!(report.targets[0].created.len(), 100);
        assert_eq!((store.requests(), calls.made + calls.planned), (requests, requests), "{kind:?}");
        assert_eq!(store.forget().len(), 100);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_there_before_the_first_sync_is_updated() {
    for kind in Kind::ALL {
        let (repo, store, wanted) = (Repo::new(), Memory::new(kind), many(2));
        store.meddle("S001");
        store.meddle("THEIRS");
        let report = repo.sync(&[(&store, &wanted)], PRUNE).await.unwrap();
        report.complete().unwrap();
        let target = &report.targets[0];
        assert_eq!((target.created.len(), target.updated.len(), target.foreign.len()), (1, 1, 1), "{kind:?}");
        assert_eq!(store.names(), ["S000", "S001", "THEIRS"]);
        assert!(target.note.as_ref().unwrap().contains("knows nothing of this store"), "{report}");
    }
}

#[tokio::test(start_paused = true)]
async fn stores_are_synced_side_by_side_into_one_state() {
    let repo = Repo::new();
    let stores = Kind::ALL.map(Memory::new);
    let wanted = many(20);
    let targets: Vec<_> = stores.iter().map(|store| (store, &wanted)).collect();
    let begin = tokio::time::Instant::now();
    let report = repo.sync(&targets, PLAIN).await.unwrap();
    report.complete().unwrap();
    // 20 writes at one a second is the slowest; the others do not add to it.
    assert!(begin.elapsed().as_secs() < 22, "{:?}", begin.elapsed());
    let order: Vec<&str> = report.targets.iter().map(|target| target.target.as_str()).collect();
    assert_eq!(order, ["github-one", "ssm-one", "secretsmanager-one", "worker-one"]);
    assert_eq!(repo.state().known().unwrap().len(), 80);
    assert!(repo.plan(&targets, PLAIN).await.unwrap().is_empty());
    // A sync of one of them keeps what is known of the others.
    let changed = values([("S000", 2)]);
    repo.sync(&[(&stores[1], &changed)], PLAIN).await.unwrap().complete().unwrap();
    assert_eq!(repo.state().known().unwrap().len(), 80);
}

#[tokio::test(start_paused = true)]
async fn a_value_that_comes_back_is_written_again() {
    for kind in Kind::ALL {
        let (repo, store) = (Repo::new(), Memory::new(kind));
        for version in [1, 2, 1, 2, 1] {
            let wanted = values([("A", version)]);
            repo.sync(&[(&store, &wanted)], PLAIN).await.unwrap().complete().unwrap();
            assert!(store.holds(&wanted), "{kind:?} at {version}");
        }
        assert_eq!(store.forget().len(), 5);
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_the_store_spells_otherwise_is_the_same_secret() {
    let (repo, store, wanted) = (Repo::new(), Memory::new(Kind::Github), values([("db_url", 1)]));
    repo.sync(&[(&store, &wanted)], PLAIN).await.unwrap().complete().unwrap();
    assert_eq!(store.names(), ["DB_URL"]);
    assert!(repo.plan(&[(&store, &wanted)], PRUNE).await.unwrap().is_empty());
    // Spelt anew here, it is written once, and not removed.
    let wanted = values([("DB_URL", 1)]);
    let report = repo.sync(&[(&store, &wanted)], PRUNE).await.unwrap();
    assert_eq!((report.targets[0].updated.len(), report.targets[0].pruned.len()), (1, 0));
    assert!(repo.plan(&[(&store, &wanted)], PRUNE).await.unwrap().is_empty() && store.holds(&wanted));
}
