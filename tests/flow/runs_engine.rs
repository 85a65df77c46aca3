//! The engine of runs inside one process: what a run costs, a store that goes away, an agent that never comes back.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use infra_sdk::local::LocalRuns;
use infra_sdk::names::RepoName;
use infra_sdk::runs::{
    AgentOptions, Claim, Created, Deployer, FollowOptions, Job, LeaseRequest, Offer, Offered, RepoState,
    Revision, Run, RunOutcome, RunRepo, RunReport, RunStore, RunView, Watcher, follow, serve, steward,
};
use infra_sdk::time::Timestamp;
use infra_sdk::{CancelToken, Error, ErrorKind, Result};
use support::Scratch;
use tokio::task::JoinHandle;

use crate::counted::Counted;

/// Deploys by writing down the order.
#[derive(Default)]
struct Notes {
    deployed: Mutex<Vec<(String, u32)>>,
    said: Mutex<Vec<String>>,
    takes: Duration,
    /// Whether a first attempt panics.
    panics: bool,
}

impl Notes {
    fn deployed(&self) -> Vec<(String, u32)> {
        self.deployed.lock().expect("no test panics in it").clone()
    }
}

#[async_trait]
impl Deployer for Notes {
    async fn commit(&self, _: &RepoName) -> Option<String> {
        None
    }
    async fn deploy(&self, job: &Job, stop: &CancelToken) -> Result<()> {
        tokio::select! {
            () = stop.cancelled() => return Err(Error::new(ErrorKind::Cancelled, "stopped")),
            () = tokio::time::sleep(self.takes) => {}
        }
        assert!(!self.panics || job.attempt > 1, "this panic is part of the test");
        self.deployed.lock().expect("no test panics in it").push((job.repo.to_string(), job.attempt));
        Ok(())
    }
    fn tell(&self, line: &str) {
        self.said.lock().expect("no test panics in it").push(line.to_owned());
    }
    async fn advanced(&self, _: &Job, _: &RepoState) {}
}

/// Notes what a coordinator says.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>, AtomicU64);

#[async_trait]
impl Watcher for Heard {
    fn changed(&self, _: &RunView) {}
    fn notice(&self, line: &str) {
        self.0.lock().expect("no test panics in it").push(line.to_owned());
    }
    async fn advanced(&self, _: &Run, _: &RepoName, _: &RepoState) {}
    async fn over(&self, _: &RunView) -> Result<()> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

fn name(text: &str) -> RepoName {
    text.parse().expect("a name")
}

/// Repos in rows of five, each after the one above it.
fn run_of(count: usize) -> Run {
    let repo = |at: usize| name(&format!("r{at}"));
    let repos = (0..count)
        .map(|at| RunRepo {
            repo: repo(at),
            after: at.checked_sub(5).map(repo).into_iter().collect(),
            task: "deploy".into(),
        })
        .collect();
    Run::new("staging".parse().expect("a name"), "ada", repos).expect("a run in order")
}

/// An agent that serves until it is cancelled.
fn serving(
    store: &Arc<dyn RunStore>,
    run: &Run,
    slots: usize,
    notes: &Arc<Notes>,
    cancel: &CancelToken,
) -> JoinHandle<Result<usize>> {
    let options = AgentOptions {
        env: run.env.clone(),
        serves: run.repos.iter().map(|repo| repo.repo.clone()).collect(),
        name: "bob@build".into(),
        slots,
        lease: Duration::from_secs(5),
        once: false,
    };
    let (store, cancel) = (store.clone(), cancel.clone());
    let deployer: Arc<dyn Deployer> = notes.clone();
    tokio::spawn(async move { serve(&store, &options, &deployer, &cancel).await })
}

fn options() -> FollowOptions {
    FollowOptions { lease: Duration::from_secs(5), ..FollowOptions::new("ada") }
}

/// One run to its end with these agents; gives its report.
async fn run_through(store: &Arc<dyn RunStore>, run: &Run, agents: usize, notes: &Arc<Notes>) -> RunReport {
    assert_eq!(store.create(run).await.expect("a new run"), Created::Now);
    go_through(store, run, agents, notes).await
}

/// The same with a run that is there.
async fn go_through(store: &Arc<dyn RunStore>, run: &Run, agents: usize, notes: &Arc<Notes>) -> RunReport {
    let cancel = CancelToken::new();
    let started: Vec<_> = (0..agents).map(|_| serving(store, run, 4, notes, &cancel)).collect();
    let heard = Heard::default();
    let view = follow(store, &run.id, &options(), &heard, &CancelToken::new()).await.expect("the run ends");
    cancel.cancel();
    for agent in started {
        agent.await.expect("it ran").expect("it ends well");
    }
    // Told again only when the store was away at that very moment.
    assert!(heard.1.load(Ordering::Relaxed) >= 1, "the end is told");
    assert!(store.leases("").await.expect("leases").is_empty(), "nothing stays claimed");
    RunReport::of(&view)
}

fn in_order(run: &Run, deployed: &[(String, u32)]) {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for (repo, _) in deployed {
        let planned = run.repo(&name(repo)).expect("a repo of the run");
        assert!(planned.after.iter().all(|before| seen.contains(before.as_str())), "{repo} came too early");
        assert!(seen.insert(repo), "{repo} was deployed twice");
    }
    assert_eq!(seen.len(), run.repos.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_repo_costs_the_same_in_a_run_of_ten_and_of_a_thousand() {
    let mut costs = Vec::new();
    for count in [10, 100, 1000] {
        let scratch = Scratch::new("runs-cost");
        let counted = Arc::new(Counted::new(&scratch));
        let store: Arc<dyn RunStore> = counted.clone();
        let (run, notes) = (run_of(count), Arc::new(Notes::default()));
        let report = run_through(&store, &run, 4, &notes).await;
        assert_eq!((report.outcome, report.count("done")), (RunOutcome::Done, count));
        in_order(&run, &notes.deployed());
        costs.push(counted.asked.load(Ordering::Relaxed) as f64 / count as f64);
    }
    // What is asked once a run and once a lease counts for less the more repos there are.
    assert!(costs[1] <= costs[0] * 1.1 && costs[2] <= costs[1] * 1.1, "questions a repo: {costs:?}");
    assert!(costs[2] < 20.0, "questions a repo: {costs:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn answers_that_are_lost_change_nothing() {
    let scratch = Scratch::new("runs-lossy");
    let counted = Counted { loses: 7, ..Counted::new(&scratch) };
    let store: Arc<dyn RunStore> = Arc::new(counted);
    let (run, notes) = (run_of(25), Arc::new(Notes::default()));
    let report = run_through(&store, &run, 2, &notes).await;
    assert_eq!(report.outcome, RunOutcome::Done, "{report}");
    in_order(&run, &notes.deployed());
    assert!(notes.deployed().iter().all(|(_, attempt)| *attempt == 1), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_that_is_away_for_a_while_is_waited_for() {
    let scratch = Scratch::new("runs-away");
    let counted = Arc::new(Counted::new(&scratch));
    let store: Arc<dyn RunStore> = counted.clone();
    let notes = Arc::new(Notes { takes: Duration::from_millis(300), ..Notes::default() });
    let run = run_of(15);
    let going = counted.clone();
    let away = tokio::spawn(async move {
        for _ in 0..2 {
            tokio::time::sleep(Duration::from_millis(700)).await;
            going.away.store(true, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(700)).await;
            going.away.store(false, Ordering::Relaxed);
        }
    });
    let report = run_through(&store, &run, 2, &notes).await;
    away.await.expect("it ran");
    assert_eq!(report.outcome, RunOutcome::Done, "{report}");
    in_order(&run, &notes.deployed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_claims_and_never_returns_loses_its_claim_with_its_lease() {
    let scratch = Scratch::new("runs-silent");
    let store: Arc<dyn RunStore> = Arc::new(LocalRuns::new(scratch.join("runs")));
    let run = run_of(1);
    store.create(&run).await.expect("a new run");
    // Its clock is an hour late: nothing is decided by it.
    let request = LeaseRequest {
        name: "agents/silent".into(),
        holder: "eve".into(),
        note: "an agent of another version".into(),
        length: Duration::from_secs(1),
    };
    let lease = store.hold(&request).await.expect("held");
    let claim = RepoState::Running(Claim {
        attempt: 1,
        agent: "eve".into(),
        lease: lease.id.clone(),
        since: Timestamp::now().plus(Duration::from_secs(3600)),
        commit: None,
    });
    let seen = store.load(&run.id).await.expect("the run").repos[0].revision;
    let claimed = store.advance(&run.id, &name("r0"), seen, &claim).await.expect("claimed");

    let notes = Arc::new(Notes::default());
    let cancel = CancelToken::new();
    let agent = serving(&store, &run, 1, &notes, &cancel);
    let view = follow(&store, &run.id, &options(), &Heard::default(), &CancelToken::new()).await;
    let view = view.expect("the run ends");
    cancel.cancel();
    assert_eq!(agent.await.expect("it ran").expect("it ends well"), 1);
    assert_eq!(notes.deployed(), [("r0".to_owned(), 2)], "{}", RunReport::of(&view));
    // Should the first one come back, its word counts for nothing.
    let done = view.repos[0].state.clone();
    let late = store.advance(&run.id, &name("r0"), claimed, &done).await.expect_err("its token is stale");
    assert_eq!(late.kind(), ErrorKind::Conflict);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_whose_lease_is_lost_stops_and_writes_nothing_and_serves_anew() {
    let scratch = Scratch::new("runs-lost");
    let store: Arc<dyn RunStore> = Arc::new(LocalRuns::new(scratch.join("runs")));
    let run = run_of(1);
    store.create(&run).await.expect("a new run");
    let notes = Arc::new(Notes { takes: Duration::from_secs(3), ..Notes::default() });
    let cancel = CancelToken::new();
    let agent = serving(&store, &run, 1, &notes, &cancel);
    let (other, id) = (store.clone(), run.id.clone());
    let following =
        tokio::spawn(
            async move { follow(&other, &id, &options(), &Heard::default(), &CancelToken::new()).await },
        );
    // Somebody takes its lease away while it works.
    let mut seen = Revision(0);
    loop {
        let changes = store.changes(&run.id, seen, Duration::from_secs(10)).await.expect("changes");
        assert!(!changes.repos.is_empty() || changes.phase.is_some(), "the repo is claimed");
        seen = changes.revision;
        if changes.repos.iter().any(|repo| repo.state.word() == "running") {
            break;
        }
    }
    let lease = store.leases("agents/").await.expect("leases").remove(0);
    assert!(store.release(&lease).await.expect("released"));
    let view = following.await.expect("it ran").expect("the run ends");
    cancel.cancel();
    assert_eq!(agent.await.expect("it ran").expect("it ends well"), 1);
    assert_eq!(notes.deployed(), [("r0".to_owned(), 2)], "{}", RunReport::of(&view));
    let said = notes.said.lock().expect("no test panics in it").join("\n");
    assert!(said.contains("the lease was lost"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repo_whose_end_could_not_be_written_down_is_begun_anew_though_its_agent_lives() {
    let scratch = Scratch::new("runs-unwritten");
    let counted = Counted::new(&scratch);
    counted.refuses.store(true, Ordering::Relaxed);
    let store: Arc<dyn RunStore> = Arc::new(counted);
    let (run, notes) = (run_of(1), Arc::new(Notes::default()));
    let report = run_through(&store, &run, 1, &notes).await;
    assert_eq!(report.outcome, RunOutcome::Done, "{report}");
    assert_eq!(notes.deployed(), [("r0".to_owned(), 1), ("r0".to_owned(), 2)], "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repo_whose_deploy_panics_is_begun_anew_though_its_agent_lives() {
    let scratch = Scratch::new("runs-panic");
    let store: Arc<dyn RunStore> = Arc::new(LocalRuns::new(scratch.join("runs")));
    let (run, notes) = (run_of(1), Arc::new(Notes { panics: true, ..Notes::default() }));
    let report = run_through(&store, &run, 1, &notes).await;
    assert_eq!(report.outcome, RunOutcome::Done, "{report}");
    assert_eq!(notes.deployed(), [("r0".to_owned(), 2)], "{report}");
    let said = notes.said.lock().expect("no test panics in it").join("\n");
    assert!(said.contains("broke off") && said.contains("serving anew"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_run_that_nobody_moves_on_is_taken_over_whatever_came_after_it_or_is_damaged() {
    let scratch = Scratch::new("runs-steward");
    let store: Arc<dyn RunStore> = Arc::new(LocalRuns::new(scratch.join("runs")));
    let (run, damaged) = (run_of(1), Run { repos: run_of(2).repos.split_off(1), ..run_of(1) });
    let others = (0..30).map(|at| Run { env: format!("e{at}").parse().expect("a name"), ..run_of(1) });
    for run in [damaged.clone(), run.clone()].into_iter().chain(others) {
        store.create(&run).await.expect("a new run");
    }
    let log = scratch.join("runs").join(format!("{}.jsonl", damaged.id));
    let text = std::fs::read_to_string(&log).expect("a log") + "damaged\n";
    std::fs::write(&log, text).expect("written");
    let offer = Offer {
        run: run.id.clone(),
        env: run.env.clone(),
        repo: name("r0"),
        attempt: 77,
        revision: Revision(0),
        task: "deploy".into(),
        again: 0,
    };
    assert_eq!(store.offer(&offer).await.expect("offered"), Offered::Now);
    let taken = store.take(&run.env, &[name("r1"), name("r0")], Duration::ZERO).await.expect("looked");
    assert_eq!(taken.expect("it passes over what is damaged").offer, offer);
    let (heard, cancel) = (Arc::new(Heard::default()), CancelToken::new());
    let (other, watcher): (Arc<dyn RunStore>, Arc<dyn Watcher>) = (store.clone(), heard.clone());
    let (env, ending) = (run.env.clone(), cancel.clone());
    // Nobody serves it: it ends when that was waited for.
    let options = FollowOptions { wait: Some(Duration::from_millis(500)), ..options() };
    let stewarding = tokio::spawn(async move { steward(&other, &env, &options, &watcher, &ending).await });
    let (mut phase, mut seen) = store.phase(&run.id, Revision(0), Duration::ZERO).await.expect("a phase");
    while !phase.is_closed() {
        (phase, seen) = store.phase(&run.id, seen, Duration::from_secs(30)).await.expect("a phase");
    }
    cancel.cancel();
    stewarding.await.expect("it ran");
    let said = heard.0.lock().expect("no test panics in it").join("\n");
    assert!(said.contains("a run cannot be read") && said.contains("damaged"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offer_whose_task_is_no_name_of_one_is_never_begun() {
    let scratch = Scratch::new("runs-offer");
    let store: Arc<dyn RunStore> = Arc::new(LocalRuns::new(scratch.join("runs")));
    let run = run_of(2);
    store.create(&run).await.expect("a new run");
    // Who can write to the queue, and to nothing else.
    let offer = Offer {
        run: run.id.clone(),
        env: run.env.clone(),
        repo: name("r0"),
        attempt: 77,
        revision: store.load(&run.id).await.expect("the run").repos[0].revision,
        task: "--yes=infra:apply".into(),
        again: 0,
    };
    assert_eq!(store.offer(&offer).await.expect("offered"), Offered::Now);
    let notes = Arc::new(Notes::default());
    let report = go_through(&store, &run, 1, &notes).await;
    assert_eq!(report.outcome, RunOutcome::Done, "{report}");
    in_order(&run, &notes.deployed());
    assert!(notes.deployed().iter().all(|(_, attempt)| *attempt == 1), "{:?}", notes.deployed());
    let said = notes.said.lock().expect("no test panics in it").join("\n");
    assert!(said.contains("is refused") && said.contains("is not the name of a task"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repo_whose_agents_always_die_fails_in_the_end() {
    let scratch = Scratch::new("runs-deadly");
    let store: Arc<dyn RunStore> = Arc::new(LocalRuns::new(scratch.join("runs")));
    let run = run_of(1);
    store.create(&run).await.expect("a new run");
    let (other, id) = (store.clone(), run.id.clone());
    let following = tokio::spawn(async move {
        let options = FollowOptions { attempts: 3, ..options() };
        follow(&other, &id, &options, &Heard::default(), &CancelToken::new()).await
    });
    for attempt in 1..=3 {
        let request = LeaseRequest {
            name: format!("agents/dies-{attempt}"),
            holder: "eve".into(),
            note: String::new(),
            length: Duration::from_secs(60),
        };
        let lease = store.hold(&request).await.expect("held");
        let taken = store.take(&run.env, &[name("r0")], Duration::from_secs(20)).await.expect("an offer");
        let offer = taken.expect("it is offered again").offer;
        assert_eq!(offer.attempt, attempt);
        let claim = Claim {
            attempt,
            agent: "eve".into(),
            lease: lease.id.clone(),
            since: Timestamp::now(),
            commit: None,
        };
        let claim = RepoState::Running(claim);
        store.advance(&run.id, &name("r0"), offer.revision, &claim).await.expect("claimed");
        assert!(store.release(&lease).await.expect("released"));
    }
    let report = RunReport::of(&following.await.expect("it ran").expect("the run ends"));
    let error = report.repos[0].error.as_deref().unwrap_or_default();
    assert!(report.outcome == RunOutcome::Failed && error.contains("lost 3 times"), "{report}");
}
