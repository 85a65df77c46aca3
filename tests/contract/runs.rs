//! What every store of runs must do: one check for each sentence of the contracts of `RunStore` and `Leases`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use infra_sdk::ErrorKind;
use infra_sdk::names::{EnvName, RepoName};
use infra_sdk::runs::{
    Claim, Created, End, Offer, Offered, RepoState, Revision, Run, RunId, RunPhase, RunRepo, RunStore, Wish,
};
use infra_sdk::time::Timestamp;

use crate::runs_leases;

/// Longer than any store takes to tell of a change, and shorter than a test's patience.
const SOON: Duration = Duration::from_secs(10);

/// Nothing is waited for.
const NOW: Duration = Duration::ZERO;

fn name(text: &str) -> RepoName {
    text.parse().expect("a name")
}

fn run_of(env: &str, repos: &[&str]) -> Run {
    let repos = repos.iter().enumerate().map(|(index, repo)| RunRepo {
        repo: name(repo),
        after: repos[..index].last().map(|before| name(before)).into_iter().collect(),
        task: "deploy".into(),
    });
    Run {
        id: RunId::new().expect("an id"),
        env: env.parse().expect("a name"),
        by: "ada \"the first\"\nü".into(),
        created: Timestamp::now(),
        repos: repos.collect(),
        wait: Some(Duration::from_millis(90_500)),
    }
}

fn claim(attempt: u32) -> RepoState {
    RepoState::Running(Claim {
        attempt,
        agent: "ada@laptop".into(),
        lease: "id".into(),
        since: Timestamp::now(),
        commit: Some("a".repeat(40)),
    })
}

fn end() -> End {
    End {
        attempt: 1,
        by: "ada@laptop".into(),
        since: Some(Timestamp::now()),
        at: Timestamp::now(),
        commit: None,
        error: Some("two\nlines of ü and \"quotes\"".into()),
    }
}

async fn created(store: &Arc<dyn RunStore>, env: &str, repos: &[&str]) -> Run {
    let run = run_of(env, repos);
    assert_eq!(store.create(&run).await.expect("a new run"), Created::Now);
    run
}

async fn closed(store: &Arc<dyn RunStore>, run: &RunId) {
    let seen = store.load(run).await.expect("the run").phase_revision;
    store.mark(run, seen, &RunPhase::Closed).await.expect("closed");
}

async fn revision_of(store: &Arc<dyn RunStore>, run: &RunId, repo: &str) -> Revision {
    store.load(run).await.expect("the run").repo(&name(repo)).expect("a repo").revision
}

/// Checks an empty store that gives an offer again after `redelivery`.
pub(crate) async fn holds(store: Arc<dyn RunStore>, redelivery: Duration) {
    creation(&store).await;
    one_run_a_repo(&store).await;
    compare_and_set(&store).await;
    races(&store).await;
    following(&store).await;
    phases(&store).await;
    offers(&store, redelivery).await;
    runs_leases::hold(&store).await;
}

async fn creation(store: &Arc<dyn RunStore>) {
    assert_eq!(store.recent(10).await.expect("no runs"), []);
    let nothing = RunId::new().expect("an id");
    assert_eq!(store.load(&nothing).await.expect_err("no run").kind(), ErrorKind::NotFound);
    assert_eq!(
        store.changes(&nothing, Revision(0), NOW).await.expect_err("no run").kind(),
        ErrorKind::NotFound
    );
    assert_eq!(
        store.phase(&nothing, Revision(0), NOW).await.expect_err("no run").kind(),
        ErrorKind::NotFound
    );

    let first = created(store, "staging", &["api", "shop.web-1_x"]).await;
    let view = store.load(&first.id).await.expect("the run");
    assert_eq!(view.run, first, "a run is read as it was given");
    assert_eq!(view.phase, RunPhase::Open);
    assert!(view.repos.iter().all(|repo| repo.state == RepoState::Waiting));
    let names: Vec<&RepoName> = view.repos.iter().map(|repo| &repo.repo).collect();
    assert_eq!(names, [&name("api"), &name("shop.web-1_x")], "in the run's order");
    let revisions: BTreeSet<Revision> =
        view.repos.iter().map(|repo| repo.revision).chain([view.phase_revision]).collect();
    assert_eq!(revisions.len(), 3, "no two states have one revision");
    assert!(revisions.iter().all(|revision| *revision <= view.revision));

    store.advance(&first.id, &name("api"), view.repos[0].revision, &claim(1)).await.expect("advanced");
    let other = Run { by: "eve".into(), ..first.clone() };
    assert_eq!(store.create(&other).await.expect("known"), Created::Before);
    let again = store.load(&first.id).await.expect("the run");
    assert_eq!((again.run.by, again.repos[0].state.word()), (first.by, "running"), "nothing changed");

    let second = created(store, "staging", &["worker"]).await;
    let third = created(store, "production", &["api"]).await;
    let ids = |runs: Vec<infra_sdk::runs::RunSummary>| -> Vec<RunId> {
        runs.into_iter().map(|run| run.id).collect()
    };
    let newest = [third.id.clone(), second.id.clone(), first.id.clone()];
    assert_eq!(ids(store.recent(10).await.expect("runs")), newest, "the newest first");
    assert_eq!(ids(store.recent(2).await.expect("runs")), newest[..2], "at most the limit");
    let summary = store.recent(1).await.expect("runs").remove(0);
    assert_eq!((summary.env, summary.phase), (third.env, RunPhase::Open));
    let unfinished = async |env: &str| -> Vec<RunId> {
        let env: EnvName = env.parse().expect("a name");
        let found = store.unfinished(&env).await.expect("runs");
        assert!(found.unreadable.is_empty(), "{:?}", found.unreadable);
        let mut runs = found.runs;
        runs.sort();
        runs
    };
    let mut both = vec![first.id.clone(), second.id.clone()];
    both.sort();
    assert_eq!(unfinished("staging").await, both, "of that environment alone");
    for run in newest {
        closed(store, &run).await;
    }
    assert_eq!(unfinished("staging").await, [], "closed ones are left out");
    let phases: Vec<RunPhase> =
        store.recent(10).await.expect("runs").into_iter().map(|run| run.phase).collect();
    assert_eq!(phases, [RunPhase::Closed, RunPhase::Closed, RunPhase::Closed]);
}

async fn one_run_a_repo(store: &Arc<dyn RunStore>) {
    let first = created(store, "staging", &["api", "web"]).await;
    let wants = run_of("staging", &["worker", "web"]);
    let refused = store.create(&wants).await.expect_err("web is taken");
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert!(refused.to_string().contains("`web`") && refused.to_string().contains(first.id.as_str()));
    assert!(!refused.hints().is_empty());
    assert_eq!(store.load(&wants.id).await.expect_err("not kept").kind(), ErrorKind::NotFound);
    let elsewhere = created(store, "production", &["web"]).await;
    let beside = created(store, "staging", &["worker"]).await;
    let view = store.load(&first.id).await.expect("the run");
    let wish = RunPhase::Cancelling(Wish { by: "ada".into(), at: Timestamp::now() });
    store.mark(&first.id, view.phase_revision, &wish).await.expect("marked");
    assert_eq!(store.create(&wants).await.expect_err("not yet").kind(), ErrorKind::Conflict);
    closed(store, &first.id).await;
    closed(store, &beside.id).await;
    assert_eq!(store.create(&wants).await.expect("now it is free"), Created::Now);
    closed(store, &wants.id).await;
    closed(store, &elsewhere.id).await;

    // Several that ask at once.
    let racing: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let run = run_of("staging", &["api", "web"]);
                store.create(&run).await.map(|_| run.id)
            })
        })
        .collect();
    let mut winners = Vec::new();
    for result in racing {
        match result.await.expect("it ran") {
            Ok(run) => winners.push(run),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}"),
        }
    }
    assert_eq!(winners.len(), 1, "one at most gets a repo");
    closed(store, &winners[0]).await;
}

async fn compare_and_set(store: &Arc<dyn RunStore>) {
    let run = created(store, "staging", &["api", "web"]).await;
    let waiting = revision_of(store, &run.id, "api").await;
    let ready = RepoState::Ready { attempt: 1 };
    let second = store.advance(&run.id, &name("api"), waiting, &ready).await.expect("advanced");
    assert!(second > waiting);
    let stale = store.advance(&run.id, &name("api"), waiting, &claim(1)).await.expect_err("outdated");
    assert!(stale.kind() == ErrorKind::Conflict && !stale.hints().is_empty(), "{stale:?}");
    let view = store.load(&run.id).await.expect("the run");
    assert_eq!(view.repo(&name("api")).expect("a repo").state, ready, "nothing was changed");
    let other = view.repo(&name("web")).expect("a repo");
    let foreign = store.advance(&run.id, &name("api"), other.revision, &claim(1)).await;
    assert_eq!(foreign.expect_err("another's revision").kind(), ErrorKind::Conflict);
    for state in [
        claim(1),
        RepoState::Ready { attempt: 2 },
        claim(2),
        RepoState::Failed(end()),
        RepoState::Done(end()),
        RepoState::Cancelled(end()),
        RepoState::Skipped { because: name("web") },
    ] {
        let seen = revision_of(store, &run.id, "api").await;
        let next = store.advance(&run.id, &name("api"), seen, &state).await.expect("advanced");
        assert!(next > seen, "revisions grow");
        let known = store.load(&run.id).await.expect("the run");
        let known = known.repo(&name("api")).expect("a repo");
        assert_eq!((&known.state, known.revision), (&state, next), "a state is read as it was given");
    }
    let nobody =
        store.advance(&run.id, &name("nobody"), Revision(1), &ready).await.expect_err("no such repo");
    assert_eq!(nobody.kind(), ErrorKind::NotFound);
    let nothing = RunId::new().expect("an id");
    let nowhere = store.advance(&nothing, &name("api"), Revision(1), &ready).await.expect_err("no such run");
    assert_eq!(nowhere.kind(), ErrorKind::NotFound);
    closed(store, &run.id).await;
}

async fn races(store: &Arc<dyn RunStore>) {
    let run = created(store, "staging", &["api"]).await;
    for round in 1..=3 {
        let seen = revision_of(store, &run.id, "api").await;
        let racing: Vec<_> = (0..16)
            .map(|_| {
                let (store, run) = (store.clone(), run.id.clone());
                tokio::spawn(async move { store.advance(&run, &name("api"), seen, &claim(round)).await })
            })
            .collect();
        let mut won = 0;
        for result in racing {
            match result.await.expect("it ran") {
                Ok(_) => won += 1,
                Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}"),
            }
        }
        assert_eq!(won, 1, "exactly one wins");
    }
    closed(store, &run.id).await;
}

async fn following(store: &Arc<dyn RunStore>) {
    let run = created(store, "staging", &["api", "web", "worker"]).await;
    let view = store.load(&run.id).await.expect("the run");
    let nothing = store.changes(&run.id, view.revision, NOW).await.expect("nothing");
    assert!(nothing.repos.is_empty() && nothing.phase.is_none() && nothing.revision >= view.revision);

    let mut seen = view.repos[0].revision;
    for state in [RepoState::Ready { attempt: 1 }, claim(1), RepoState::Done(end())] {
        seen = store.advance(&run.id, &name("api"), seen, &state).await.expect("advanced");
    }
    let web = view.repos[1].revision;
    let web =
        store.advance(&run.id, &name("web"), web, &RepoState::Ready { attempt: 1 }).await.expect("advanced");
    let changes = store.changes(&run.id, view.revision, SOON).await.expect("changes");
    let mut told: Vec<(&str, &str, Revision)> =
        changes.repos.iter().map(|repo| (repo.repo.as_str(), repo.state.word(), repo.revision)).collect();
    told.sort();
    assert_eq!(told, [("api", "done", seen), ("web", "ready", web)], "each once, as it is now");
    let mut followed = view.clone();
    followed.take_in(changes.clone());
    let loaded = store.load(&run.id).await.expect("the run");
    assert_eq!(followed.repos, loaded.repos, "what followed is what is there");
    assert!(store.changes(&run.id, changes.revision, NOW).await.expect("nothing").repos.is_empty());

    // A wait ends with the change, and not before its time without one.
    let begun = Instant::now();
    let none = store.changes(&run.id, changes.revision, Duration::from_millis(300)).await.expect("nothing");
    assert!(none.repos.is_empty() && begun.elapsed() >= Duration::from_millis(300));
    let waiting = {
        let (store, run) = (store.clone(), run.id.clone());
        tokio::spawn(async move { store.changes(&run, changes.revision, SOON).await })
    };
    tokio::task::yield_now().await;
    let begun = Instant::now();
    store.advance(&run.id, &name("web"), web, &claim(1)).await.expect("advanced");
    let changes = waiting.await.expect("it ran").expect("changes");
    assert_eq!(changes.repos.len(), 1);
    assert!(begun.elapsed() < SOON, "the wait ended with the change");

    // Others' changes do not end it.
    let beside = created(store, "production", &["api"]).await;
    let none = store.changes(&run.id, changes.revision, NOW).await.expect("nothing");
    assert!(none.repos.is_empty() && none.phase.is_none());
    closed(store, &beside.id).await;
    closed(store, &run.id).await;
    let changes = store.changes(&run.id, changes.revision, SOON).await.expect("changes");
    assert_eq!(changes.phase.map(|(phase, _)| phase), Some(RunPhase::Closed));
}

async fn phases(store: &Arc<dyn RunStore>) {
    let run = created(store, "staging", &["api"]).await;
    let (phase, open) = store.phase(&run.id, Revision(0), SOON).await.expect("a phase");
    assert_eq!(phase, RunPhase::Open);
    assert_eq!(store.load(&run.id).await.expect("the run").phase_revision, open);
    let begun = Instant::now();
    let same = store.phase(&run.id, open, Duration::from_millis(300)).await.expect("a phase");
    assert_eq!(same, (RunPhase::Open, open));
    assert!(begun.elapsed() >= Duration::from_millis(300));
    let waiting = {
        let (store, run) = (store.clone(), run.id.clone());
        tokio::spawn(async move { store.phase(&run, open, SOON).await })
    };
    tokio::task::yield_now().await;
    let wish = RunPhase::Cancelling(Wish { by: "ada".into(), at: Timestamp::now() });
    let wished = store.mark(&run.id, open, &wish).await.expect("marked");
    assert_eq!(waiting.await.expect("it ran").expect("a phase"), (wish.clone(), wished));
    let stale = store.mark(&run.id, open, &RunPhase::Closed).await.expect_err("outdated");
    assert_eq!(stale.kind(), ErrorKind::Conflict);
    // A repo's change is none of the phase's.
    let seen = revision_of(store, &run.id, "api").await;
    store.advance(&run.id, &name("api"), seen, &RepoState::Cancelled(end())).await.expect("advanced");
    assert_eq!(store.phase(&run.id, Revision(0), NOW).await.expect("a phase"), (wish, wished));
    let racing: Vec<_> = (0..8)
        .map(|_| {
            let (store, run) = (store.clone(), run.id.clone());
            tokio::spawn(async move { store.mark(&run, wished, &RunPhase::Closed).await.is_ok() })
        })
        .collect();
    let mut won = 0;
    for result in racing {
        won += usize::from(result.await.expect("it ran"));
    }
    assert_eq!(won, 1, "one closes it");
}

fn offer_of(run: &Run, repo: &str, attempt: u32) -> Offer {
    Offer {
        run: run.id.clone(),
        env: run.env.clone(),
        repo: name(repo),
        attempt,
        revision: Revision(7),
        task: "deploy".into(),
        again: 0,
    }
}

async fn offers(store: &Arc<dyn RunStore>, redelivery: Duration) {
    let run = created(store, "staging", &["api", "web", "worker"]).await;
    let (api, web) = ([name("api")], [name("web")]);
    let both = [name("web"), name("api"), name("elsewhere")];
    assert_eq!(store.take(&run.env, &both, NOW).await.expect("nothing"), None);
    assert_eq!(store.take(&run.env, &[], NOW).await.expect("nothing"), None);

    let first = offer_of(&run, "api", 1);
    assert_eq!(store.offer(&first).await.expect("offered"), Offered::Now);
    assert_eq!(store.offer(&first).await.expect("known"), Offered::Before);
    assert_eq!(store.take(&run.env, &web, NOW).await.expect("nothing"), None, "another repo's");
    let other: EnvName = "production".parse().expect("a name");
    assert_eq!(store.take(&other, &api, NOW).await.expect("nothing"), None, "another environment's");
    let taken = store.take(&run.env, &both, SOON).await.expect("an offer").expect("it was made");
    assert_eq!(taken.offer, first, "an offer is read as it was given");
    assert_eq!(store.take(&run.env, &both, NOW).await.expect("nothing"), None, "it was given once");
    store.settle(&taken).await.expect("settled");
    store.settle(&taken).await.expect("twice is no error");
    assert_eq!(store.offer(&first).await.expect("known"), Offered::Before, "also when it was settled");
    assert_eq!(store.take(&run.env, &both, redelivery * 2).await.expect("nothing"), None, "settled for good");

    // The next attempt is another offer; a wait ends when one is made.
    let waiting = {
        let (store, env) = (store.clone(), run.env.clone());
        tokio::spawn(async move { store.take(&env, &[name("api")], SOON).await })
    };
    tokio::task::yield_now().await;
    let again = offer_of(&run, "api", 2);
    assert_eq!(store.offer(&again).await.expect("offered"), Offered::Now);
    let taken = waiting.await.expect("it ran").expect("an offer").expect("in time");
    assert_eq!(taken.offer, again);

    // Nobody settles it.
    let begun = Instant::now();
    let late = store.take(&run.env, &api, redelivery + SOON).await.expect("an offer").expect("given again");
    assert_eq!(late.offer, again);
    assert!(begun.elapsed() + Duration::from_millis(200) >= redelivery, "not before its time");
    store.settle(&taken).await.expect("no error after it was given to another");
    store.settle(&late).await.expect("settled");
    assert_eq!(store.take(&run.env, &both, redelivery * 2).await.expect("nothing"), None);

    // Each offer goes to one of many.
    for repo in ["worker", "web"] {
        store.offer(&offer_of(&run, repo, 1)).await.expect("offered");
    }
    let racing: Vec<_> = (0..6)
        .map(|_| {
            let (store, env) = (store.clone(), run.env.clone());
            tokio::spawn(async move {
                let taken = store.take(&env, &[name("worker"), name("web")], redelivery / 2).await;
                let taken = taken.expect("a store that answers");
                if let Some(taken) = &taken {
                    store.settle(taken).await.expect("settled");
                }
                taken.map(|taken| taken.offer.repo.to_string())
            })
        })
        .collect();
    let mut given = Vec::new();
    for result in racing {
        given.extend(result.await.expect("it ran"));
    }
    given.sort();
    assert_eq!(given, ["web", "worker"], "each is given once");
    closed(store, &run.id).await;

    // What an ended run left behind does not stand in the way of the next.
    let left = created(store, "staging", &["api"]).await;
    store.offer(&offer_of(&left, "api", 1)).await.expect("offered");
    closed(store, &left.id).await;
    let next = created(store, "staging", &["api"]).await;
    let offered = offer_of(&next, "api", 1);
    store.offer(&offered).await.expect("never refused because of another");
    let begun = Instant::now();
    loop {
        let taken = store.take(&next.env, &api, SOON).await.expect("an offer").expect("it was made");
        store.settle(&taken).await.expect("settled");
        if taken.offer == offered {
            break;
        }
        // An offer of the run before may come first; whoever takes it notices when it claims.
        assert!(taken.offer.run == left.id && begun.elapsed() < SOON, "{taken:?}");
        store.offer(&offered).await.expect("offered again");
    }
    closed(store, &next.id).await;
}
