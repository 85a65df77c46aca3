//! A sync that is stopped anywhere, in any way, loses nothing, writes nothing twice, and is completed by the next one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use infra_sdk::{CancelToken, Error, ErrorKind};

use crate::{Fault, Heard, Kind, Memory, PLAIN, PRUNE, Repo, Values, many, values};

/// Ten secrets are there; then four change, three are new and two are not wanted any more: nine changes.
const CHANGES: usize = 9;

struct Start {
    repo: Repo,
    store: Arc<Memory>,
    wanted: Values,
}

impl Start {
    async fn of(kind: Kind) -> Self {
        let (repo, store) = (Repo::new(), Memory::new(kind));
        let mut wanted = many(10);
        repo.sync(&[(&store, &wanted)], PLAIN).await.unwrap().complete().unwrap();
        let news = [("S000", 2), ("S003", 2), ("S006", 2), ("S009", 2), ("N1", 1), ("N2", 1), ("T", 1)];
        wanted.extend(values(news));
        wanted.remove("S001");
        wanted.remove("S008");
        store.forget();
        Start { repo, store, wanted }
    }

    /// A world of its own for one trial.
    fn trial(&self) -> (Repo, Arc<Memory>, &Values) {
        let repo = Repo::new();
        for (from, to) in [(self.repo.file(), repo.file()), (self.repo.seen(), repo.seen())] {
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(from, to).unwrap();
        }
        (repo, self.store.copy(), &self.wanted)
    }
}

/// Whether a request begins after so many changes: a Worker takes all at once, SSM the two removals.
fn pauses(kind: Kind, at: usize) -> bool {
    match kind {
        Kind::Worker => at == 0,
        Kind::Ssm => at < 8,
        _ => at < CHANGES,
    }
}

/// The next sync completes it, and the one after has nothing to do.
async fn completes(repo: &Repo, store: &Arc<Memory>, wanted: &Values, twice: usize, story: &str) {
    store.fault(Fault::None);
    let report = repo.sync(&[(store, wanted)], PRUNE).await.unwrap();
    report.complete().unwrap_or_else(|error| panic!("{story}: {error:?}"));
    assert!(store.holds(wanted) && store.names().len() == 11, "{story}: {:?}", store.names());
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for name in store.forget() {
        *times.entry(name).or_default() += 1;
    }
    assert_eq!(times.len(), CHANGES, "{story}: {times:?}");
    assert!(times.values().sum::<usize>() <= CHANGES + twice, "{story}: {times:?}");
    let plan = repo.plan(&[(store, wanted)], PRUNE).await.unwrap();
    assert!(plan.is_empty(), "{story}: {plan}");
    repo.sync(&[(store, wanted)], PRUNE).await.unwrap().complete().unwrap();
    assert!(store.forget().is_empty(), "{story}");
}

fn secondary_limit() -> Error {
    Error::new(ErrorKind::Denied, "a secondary rate limit (status: 403)")
        .throttled(Some(Duration::from_secs(3600)))
        .hint("wait")
}

fn too_many() -> Error {
    Error::new(ErrorKind::Unavailable, "too many requests (status: 429)").throttled(None).hint("wait")
}

fn broken() -> Error {
    Error::new(ErrorKind::Unavailable, "the connection broke").retryable().hint("look at the network")
}

fn denied() -> Error {
    Error::new(ErrorKind::Denied, "the token is not valid any more").hint("log in")
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_for_good_after_any_write_leaves_the_rest_for_the_next_run() {
    for kind in Kind::ALL {
        let start = Start::of(kind).await;
        for at in (0..CHANGES).filter(|at| pauses(kind, *at)) {
            for (how, error) in [
                ("403", secondary_limit as fn() -> Error),
                ("429", too_many),
                ("broken", broken),
                ("denied", denied),
            ] {
                let story = format!("{kind:?}, {how} after {at}");
                let (repo, store, wanted) = start.trial();
                store.fault(Fault::From(at, error));
                let report = repo.sync(&[(&store, wanted)], PRUNE).await.unwrap();
                let target = &report.targets[0];
                let done = target.written();
                assert_eq!(target.left.len(), CHANGES - done, "{story}: {report}");
                let failed = report.complete().unwrap_err();
                assert_eq!(failed.is_retryable(), how != "denied", "{story}: {failed:?}");
                let shown = failed.report().to_string();
                assert!(
                    shown.contains("the sync is incomplete") && shown.contains("continues where"),
                    "{shown}"
                );
                assert!(target.left.iter().all(|name| shown.contains(name.as_str())), "{shown}");
                completes(&repo, &store, wanted, 0, &story).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_once_anywhere_is_asked_again() {
    for kind in Kind::ALL {
        let start = Start::of(kind).await;
        for at in (0..CHANGES).filter(|at| pauses(kind, *at)) {
            for error in [too_many as fn() -> Error, broken] {
                let story = format!("{kind:?} after {at}");
                let (repo, store, wanted) = start.trial();
                store.fault(Fault::Once(at, error));
                repo.sync(&[(&store, wanted)], PRUNE).await.unwrap().complete().unwrap();
                completes(&repo, &store, wanted, 0, &story).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_costs_at_most_that_request_again() {
    for kind in Kind::ALL {
        let start = Start::of(kind).await;
        for at in (0..CHANGES).filter(|at| pauses(kind, *at)) {
            let story = format!("{kind:?} at {at}");
            let (repo, store, wanted) = start.trial();
            store.fault(Fault::Lost(at, broken));
            repo.sync(&[(&store, wanted)], PRUNE).await.unwrap().complete().unwrap();
            let again = if kind == Kind::Worker { CHANGES } else { 2 };
            completes(&repo, &store, wanted, again, &story).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_killed_process_loses_nothing_and_writes_again_only_what_it_could_not_know() {
    for kind in Kind::ALL {
        let start = Start::of(kind).await;
        for at in (0..CHANGES).filter(|at| pauses(kind, *at)) {
            for made in [false, true] {
                let story = format!("{kind:?} killed at {at}, made: {made}");
                let (repo, store, wanted) = start.trial();
                store.fault(Fault::Dies(at, made));
                let stores = [(&store, wanted)];
                let died = tokio::select! {
                    _ = repo.sync(&stores, PRUNE) => false,
                    () = store.died.notified() => true,
                };
                assert!(died, "{story}");
                // The mark of a look from before the writes tells nothing any more.
                let state = std::fs::read_to_string(repo.file()).unwrap();
                assert!(!state.contains("\"mark\""), "{story}: {state}");
                // What the dropped sync still holds is dropped with its tasks.
                tokio::time::sleep(Duration::from_secs(1)).await;
                // Secrets Manager shows the token of the lost write.
                let again = match kind {
                    _ if !made => 0,
                    Kind::SecretsManager => 0,
                    Kind::Worker => CHANGES,
                    Kind::Ssm => 2,
                    Kind::Github => 1,
                };
                completes(&repo, &store, wanted, again, &story).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_killed_at_any_moment_between_requests_writes_nothing_twice() {
    for kind in Kind::ALL {
        let start = Start::of(kind).await;
        // Past the end of a sync that nobody kills.
        for at in (0..12_000).step_by(191).map(Duration::from_millis) {
            let story = format!("{kind:?} killed after {at:?}");
            let (repo, store, wanted) = start.trial();
            let killed = tokio::time::timeout(at, repo.sync(&[(&store, wanted)], PRUNE)).await.is_err();
            // What the dropped sync still holds is dropped with its tasks.
            tokio::time::sleep(Duration::from_secs(1)).await;
            completes(&repo, &store, wanted, 0, &story).await;
            if !killed {
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_sync_stops_between_requests_and_names_what_is_left() {
    for kind in Kind::ALL {
        let start = Start::of(kind).await;
        for at in (0..CHANGES).filter(|at| pauses(kind, *at)) {
            let story = format!("{kind:?} cancelled after {at}");
            let (repo, store, wanted) = start.trial();
            let cancel = CancelToken::new();
            if at == 0 {
                cancel.cancel();
            }
            let heard = Arc::new(Heard { cancels: Some((at, cancel.clone())), ..Heard::default() });
            let report = repo.sync_with(&[(&store, wanted)], PRUNE, heard.clone(), &cancel).await.unwrap();
            let target = &report.targets[0];
            assert_eq!((target.written(), target.left.len()), (at, CHANGES - at), "{story}: {report}");
            let error = report.complete().unwrap_err();
            assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Cancelled, Some(130)), "{story}");
            completes(&repo, &store, wanted, 0, &story).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn after_thirty_of_fifty_writes_a_limit_leaves_twenty_by_name() {
    for error in [secondary_limit as fn() -> Error, too_many] {
        let (repo, store, wanted) = (Repo::new(), Memory::new(Kind::Github), many(50));
        store.fault(Fault::From(30, error));
        let report = repo.sync(&[(&store, &wanted)], PLAIN).await.unwrap();
        let target = &report.targets[0];
        assert_eq!((target.created.len(), target.left.len()), (30, 20));
        let failure = report.complete().unwrap_err();
        assert!(
            failure.is_retryable() && failure.to_string().contains("github-one: S030, S031"),
            "{failure}"
        );
        store.fault(Fault::None);
        let report = repo.sync(&[(&store, &wanted)], PLAIN).await.unwrap();
        report.complete().unwrap();
        assert_eq!((report.targets[0].created.len(), report.targets[0].unchanged), (20, 30));
        assert_eq!(store.forget().len(), 50, "each was written once");
    }
}

#[tokio::test(start_paused = true)]
async fn one_failing_store_does_not_stop_the_others() {
    let (repo, wanted) = (Repo::new(), many(5));
    let (bad, good) = (Memory::new(Kind::Ssm), Memory::new(Kind::Github));
    bad.fault(Fault::From(2, denied));
    let report = repo.sync(&[(&bad, &wanted), (&good, &wanted)], PLAIN).await.unwrap();
    assert!(good.holds(&wanted) && report.targets[1].failure.is_none(), "{report}");
    let error = report.complete().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.to_string().contains("written: 7, left: ssm-one: S002, S003, S004"), "{error}");
    assert!(error.hints().iter().any(|hint| hint == "log in"), "{error:?}");
}
