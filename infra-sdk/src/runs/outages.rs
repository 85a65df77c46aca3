//! What a coordinator and a steward make of a store that goes away, is behind, or has what cannot be read.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result};
use crate::names::{EnvName, RepoName};
use crate::runs::{
    Changes, Created, FollowOptions, Lease, LeaseRequest, Leases, Offer, Offered, RepoState, RepoView,
    Revision, Run, RunId, RunPhase, RunRepo, RunStore, RunSummary, RunView, Taken, Unfinished, Watcher,
    follow, outdated, steward,
};

/// One run in memory, in a store whose time is the test's.
struct Memory {
    view: Mutex<RunView>,
    /// What the first reader is given instead of what is there.
    behind: Mutex<Option<RunView>>,
    begun: Instant,
    /// When it does not answer, as seconds since its beginning.
    outages: Vec<std::ops::Range<u64>>,
}

impl Memory {
    fn new(outages: impl IntoIterator<Item = std::ops::Range<u64>>) -> (Arc<Self>, RunId) {
        let planned = RunRepo { repo: "api".parse().unwrap(), after: Vec::new(), task: "deploy".into() };
        let run = Run::new("staging".parse().unwrap(), "ada", vec![planned]).unwrap();
        let id = run.id.clone();
        let repo =
            RepoView { repo: "api".parse().unwrap(), state: RepoState::Waiting, revision: Revision(2) };
        let view = RunView {
            run,
            phase: RunPhase::Open,
            phase_revision: Revision(1),
            repos: vec![repo],
            revision: Revision(2),
        };
        let (view, behind) = (Mutex::new(view), Mutex::new(None));
        (Arc::new(Memory { view, behind, begun: Instant::now(), outages: outages.into_iter().collect() }), id)
    }

    fn now(&self) -> RunView {
        self.view.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn answers(&self) -> Result<()> {
        match self.outages.iter().any(|outage| outage.contains(&self.begun.elapsed().as_secs())) {
            true => Err(Error::new(ErrorKind::Unavailable, "the store is away").retryable()),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Leases for Memory {
    async fn hold(&self, request: &LeaseRequest) -> Result<Lease> {
        self.answers()?;
        let LeaseRequest { name, holder, note, length } = request.clone();
        Ok(Lease { id: name.clone(), name, holder, note, length, token: String::new() })
    }
    async fn renew(&self, lease: &Lease) -> Result<Lease> {
        self.answers().map(|()| lease.clone())
    }
    async fn release(&self, _: &Lease) -> Result<bool> {
        self.answers().map(|()| true)
    }
    async fn leases(&self, _: &str) -> Result<Vec<Lease>> {
        self.answers().map(|()| Vec::new())
    }
}

#[async_trait]
impl RunStore for Memory {
    fn place(&self) -> String {
        "memory".into()
    }
    async fn create(&self, _: &Run) -> Result<Created> {
        Ok(Created::Before)
    }
    async fn recent(&self, _: usize) -> Result<Vec<RunSummary>> {
        self.answers()?;
        let RunView { run, phase, .. } = self.now();
        Ok(vec![RunSummary { id: run.id, env: run.env, phase }])
    }
    async fn unfinished(&self, _: &EnvName) -> Result<Unfinished> {
        self.answers()?;
        let runs = std::iter::once(self.now()).filter(|view| !view.phase.is_closed());
        let runs = runs.map(|view| view.run.id).collect();
        Ok(Unfinished { runs, unreadable: vec![Error::invalid("another run is damaged")] })
    }
    async fn load(&self, _: &RunId) -> Result<RunView> {
        self.answers()?;
        let behind = self.behind.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(behind.unwrap_or_else(|| self.now()))
    }
    async fn changes(&self, _: &RunId, since: Revision, wait: Duration) -> Result<Changes> {
        self.answers()?;
        tokio::time::sleep(wait).await;
        let view = self.now();
        let repos = view.repos.into_iter().filter(|repo| repo.revision > since).collect();
        let phase = Some((view.phase, view.phase_revision)).filter(|(_, revision)| *revision > since);
        Ok(Changes { phase, repos, revision: view.revision })
    }
    async fn phase(&self, _: &RunId, _: Revision, _: Duration) -> Result<(RunPhase, Revision)> {
        self.answers()?;
        let view = self.now();
        Ok((view.phase, view.phase_revision))
    }
    async fn advance(
        &self,
        run: &RunId,
        repo: &RepoName,
        seen: Revision,
        to: &RepoState,
    ) -> Result<Revision> {
        self.answers()?;
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        if view.repos[0].revision != seen {
            return Err(outdated(run, repo.as_str()));
        }
        view.revision.0 += 1;
        (view.repos[0].state, view.repos[0].revision) = (to.clone(), view.revision);
        Ok(view.revision)
    }
    async fn mark(&self, run: &RunId, seen: Revision, phase: &RunPhase) -> Result<Revision> {
        self.answers()?;
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        if view.phase_revision != seen {
            return Err(outdated(run, "the phase"));
        }
        view.revision.0 += 1;
        (view.phase, view.phase_revision) = (phase.clone(), view.revision);
        Ok(view.revision)
    }
    async fn offer(&self, _: &Offer) -> Result<Offered> {
        self.answers().map(|()| Offered::Now)
    }
    async fn take(&self, _: &EnvName, _: &[RepoName], _: Duration) -> Result<Option<Taken>> {
        Ok(None)
    }
    async fn settle(&self, _: &Taken) -> Result<()> {
        Ok(())
    }
}

/// Notes what it is told.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Heard {
    fn count(&self, part: &str) -> usize {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.iter().filter(|line| line.contains(part)).count()
    }
}

#[async_trait]
impl Watcher for Heard {
    fn changed(&self, _: &RunView) {}
    fn notice(&self, line: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
    }
    async fn advanced(&self, _: &Run, _: &RepoName, _: &RepoState) {}
    async fn over(&self, _: &RunView) -> Result<()> {
        Ok(())
    }
}

fn waiting(seconds: u64) -> FollowOptions {
    FollowOptions { wait: Some(Duration::from_secs(seconds)), ..FollowOptions::new("ada") }
}

#[tokio::test(start_paused = true)]
async fn an_outage_does_not_count_for_another_one_much_later() {
    // Nobody serves the repo: the run ends when that was waited for.
    let (memory, run) = Memory::new([10..13, 400..403, 1000..1003]);
    let (store, heard): (Arc<dyn RunStore>, _) = (memory, Heard::default());
    let view = follow(&store, &run, &waiting(700), &heard, &CancelToken::new()).await.unwrap();
    assert_eq!(view.repos[0].state.word(), "failed");
    assert_eq!(heard.count("fails, trying again"), 3, "each outage is told once");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_stays_away_is_an_error_after_five_minutes() {
    let away = Duration::from_secs(100);
    let (memory, run) = Memory::new(std::iter::once(away.as_secs()..10_000));
    let begun = Instant::now();
    let store: Arc<dyn RunStore> = memory;
    let error =
        follow(&store, &run, &waiting(9_000), &Heard::default(), &CancelToken::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let waited = begun.elapsed() - away;
    assert!(waited >= Duration::from_secs(300) && waited < Duration::from_secs(330), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_view_that_missed_a_change_heals() {
    let (memory, run) = Memory::new([]);
    let seen = memory.now();
    let api: RepoName = "api".parse().unwrap();
    let ready = RepoState::Ready { attempt: 1 };
    let revision = memory.advance(&run, &api, seen.repos[0].revision, &ready).await.unwrap();
    // As if it knew of the change: what comes after it is all that it asks for.
    *memory.behind.lock().unwrap() = Some(RunView { revision, ..seen });
    let store: Arc<dyn RunStore> = memory.clone();
    let view = follow(&store, &run, &waiting(60), &Heard::default(), &CancelToken::new()).await.unwrap();
    assert_eq!(view.repos[0].state.word(), "failed", "nobody serves it");
    assert_eq!(memory.now().revision, Revision(5), "ready, failed and closed, each written once");
}

#[tokio::test(start_paused = true)]
async fn how_long_a_repo_waits_stands_in_the_run_for_whoever_moves_it_on() {
    let (memory, run) = Memory::new([]);
    memory.view.lock().unwrap().run.wait = Some(Duration::from_secs(60));
    let begun = Instant::now();
    let store: Arc<dyn RunStore> = memory;
    let options = FollowOptions::new("eve");
    follow(&store, &run, &options, &Heard::default(), &CancelToken::new()).await.unwrap();
    let waited = begun.elapsed();
    assert!(waited >= Duration::from_secs(60) && waited < Duration::from_secs(70), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_steward_says_once_what_it_cannot_read_and_moves_the_others_on() {
    let (memory, _) = Memory::new(std::iter::once(0..40));
    let (heard, cancel) = (Arc::new(Heard::default()), CancelToken::new());
    let (store, watcher): (Arc<dyn RunStore>, Arc<dyn Watcher>) = (memory.clone(), heard.clone());
    let env = "staging".parse().unwrap();
    let ended = async {
        while !memory.now().phase.is_closed() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        cancel.cancel();
    };
    let options = waiting(60);
    tokio::join!(steward(&store, &env, &options, &watcher, &cancel), ended);
    assert_eq!(heard.count("the store is away"), 1, "{:?}", heard.0);
    assert_eq!(heard.count("another run is damaged"), 1, "{:?}", heard.0);
}
