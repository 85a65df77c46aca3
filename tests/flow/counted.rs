//! A store of runs that counts what it is asked, goes away, and loses answers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use infra_sdk::local::LocalRuns;
use infra_sdk::names::{EnvName, RepoName};
use infra_sdk::runs::{
    Changes, Created, Lease, LeaseRequest, Leases, Offer, Offered, RepoState, Revision, Run, RunId, RunPhase,
    RunStore, RunSummary, RunView, Taken,
};
use infra_sdk::{Error, ErrorKind, Result};
use support::Scratch;

/// A store that counts what it is asked, and can be away.
pub(crate) struct Counted {
    pub(crate) inner: LocalRuns,
    pub(crate) asked: AtomicU64,
    pub(crate) away: AtomicBool,
    /// Every how many questions one is answered and the answer lost; 0 for never.
    pub(crate) loses: u64,
    /// Whether it refuses to write down the next end of a repo.
    pub(crate) refuses: AtomicBool,
}

impl Counted {
    pub(crate) fn new(scratch: &Scratch) -> Self {
        let inner = LocalRuns::new(scratch.join("runs"));
        let (asked, away, refuses) = (AtomicU64::new(0), AtomicBool::new(false), AtomicBool::new(false));
        Counted { inner, asked, away, loses: 0, refuses }
    }

    pub(crate) fn gone() -> Error {
        Error::new(ErrorKind::Unavailable, "the store does not answer").retryable()
    }

    /// Counts a question; fails where the store is away.
    fn ask(&self) -> Result<u64> {
        match self.away.load(Ordering::Relaxed) {
            true => Err(Self::gone()),
            false => Ok(self.asked.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// The answer to a change, unless it is lost on the way.
    fn answer<T>(&self, number: u64, answer: Result<T>) -> Result<T> {
        match self.loses > 0 && number.is_multiple_of(self.loses) {
            true => Err(Self::gone()),
            false => answer,
        }
    }
}

#[async_trait]
impl Leases for Counted {
    async fn hold(&self, request: &LeaseRequest) -> Result<Lease> {
        self.ask()?;
        self.inner.hold(request).await
    }
    async fn renew(&self, lease: &Lease) -> Result<Lease> {
        self.ask()?;
        self.inner.renew(lease).await
    }
    async fn release(&self, lease: &Lease) -> Result<bool> {
        self.ask()?;
        self.inner.release(lease).await
    }
    async fn leases(&self, prefix: &str) -> Result<Vec<Lease>> {
        self.ask()?;
        self.inner.leases(prefix).await
    }
}

#[async_trait]
impl RunStore for Counted {
    fn place(&self) -> String {
        self.inner.place()
    }
    async fn create(&self, run: &Run) -> Result<Created> {
        self.ask()?;
        self.inner.create(run).await
    }
    async fn recent(&self, limit: usize) -> Result<Vec<RunSummary>> {
        self.ask()?;
        self.inner.recent(limit).await
    }
    async fn load(&self, run: &RunId) -> Result<RunView> {
        self.ask()?;
        self.inner.load(run).await
    }
    async fn changes(&self, run: &RunId, since: Revision, wait: Duration) -> Result<Changes> {
        self.ask()?;
        self.inner.changes(run, since, wait).await
    }
    async fn phase(&self, run: &RunId, seen: Revision, wait: Duration) -> Result<(RunPhase, Revision)> {
        self.ask()?;
        self.inner.phase(run, seen, wait).await
    }
    async fn advance(
        &self,
        run: &RunId,
        repo: &RepoName,
        seen: Revision,
        state: &RepoState,
    ) -> Result<Revision> {
        let number = self.ask()?;
        if state.is_final() && self.refuses.swap(false, Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Denied, "nothing may be written"));
        }
        let answer = self.inner.advance(run, repo, seen, state).await;
        self.answer(number, answer)
    }
    async fn mark(&self, run: &RunId, seen: Revision, phase: &RunPhase) -> Result<Revision> {
        let number = self.ask()?;
        let answer = self.inner.mark(run, seen, phase).await;
        self.answer(number, answer)
    }
    async fn offer(&self, offer: &Offer) -> Result<Offered> {
        let number = self.ask()?;
        let answer = self.inner.offer(offer).await;
        self.answer(number, answer)
    }
    async fn take(&self, env: &EnvName, repos: &[RepoName], wait: Duration) -> Result<Option<Taken>> {
        self.ask()?;
        self.inner.take(env, repos, wait).await
    }
    async fn settle(&self, taken: &Taken) -> Result<()> {
        self.ask()?;
        self.inner.settle(taken).await
    }
}
