//! Moving a run on: whoever holds its lease decides what is ready, what is tried again and when it is over; everybody else
//! watches and stands by.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result};
use crate::names::RepoName;
use crate::runs::agents::Agents;
use crate::runs::keep::{Kept, keep};
use crate::runs::moves::{Known, Move, moves};
use crate::runs::patience::{self, Patience};
use crate::runs::unserved::Unserved;
use crate::runs::{
    Claim, LeaseRequest, Offer, RepoState, Revision, Run, RunId, RunPhase, RunStore, RunView, Wish,
};

/// After how long a repo that is still ready is offered again: a hint that was lost costs no more than this.
const OFFER_AGAIN: Duration = Duration::from_secs(30);

/// How long a repo may be ready without an agent that serves it, where nobody says otherwise.
const WAIT: Duration = Duration::from_secs(600);

/// How a run is moved on.
#[derive(Clone, Debug)]
pub struct FollowOptions {
    /// Who does it, for people.
    pub by: String,
    /// How long others wait for a sign of life before they go on in its place; at least a second.
    pub lease: Duration,
    /// How long a repo may be ready without an agent that serves it; `None`: as long as the run says, else ten minutes.
    pub wait: Option<Duration>,
    /// After how many attempts whose agent died a repo has failed.
    pub attempts: u32,
}

impl FollowOptions {
    /// The usual: a lease of 15 seconds, as much time for agents to come as the run gives, 50 attempts.
    pub fn new(by: impl Into<String>) -> Self {
        FollowOptions { by: by.into(), lease: Duration::from_secs(15), wait: None, attempts: 50 }
    }
}

/// Who hears how a run goes on.
#[async_trait]
pub trait Watcher: Send + Sync {
    /// Something changed.
    fn changed(&self, view: &RunView);

    /// Something a person should know now.
    fn notice(&self, line: &str);

    /// This process put a repo into another state.
    async fn advanced(&self, run: &Run, repo: &RepoName, state: &RepoState);

    /// Every repo is in its last state; called before the run is closed, and again should that fail.
    ///
    /// # Errors
    /// The run then stays as it is, and whoever goes on with it calls this again.
    async fn over(&self, view: &RunView) -> Result<()>;
}

/// Follows a run to its end, and moves it on whenever nobody else does.
///
/// # Errors
/// `NotFound` when there is no such run; `Cancelled` when `cancel` is, which leaves the run as it is; what the
/// store fails with for longer than five minutes; what [`Watcher::over`] fails with.
pub async fn follow(
    store: &Arc<dyn RunStore>,
    run: &RunId,
    options: &FollowOptions,
    watcher: &dyn Watcher,
    cancel: &CancelToken,
) -> Result<RunView> {
    let (mut patience, mut told) = (Patience::default(), false);
    loop {
        if cancel.is_cancelled() {
            return Err(gone_on(run));
        }
        let followed = async {
            match lead(store, run, options, watcher, cancel, &mut patience).await? {
                Led::Over(view) => Ok(Some(*view)),
                Led::Lost => Ok(None),
                Led::Another => {
                    if !std::mem::replace(&mut told, true) {
                        let line = "an agent or another command moves this run on; it is followed here, and gone on with should that one end";
                        watcher.notice(line);
                    }
                    stand_by(&**store, run, options, watcher, cancel, &mut patience).await
                }
            }
        };
        match followed.await {
            Ok(Some(view)) => return Ok(view),
            Ok(None) => patience.restore(),
            Err(error) => patience.bear(error, &|line| watcher.notice(line)).await?,
        }
    }
}

/// What came of trying to move a run on.
pub(super) enum Led {
    /// It is closed.
    Over(Box<RunView>),
    /// Somebody else does.
    Another,
    /// This process did, and could not keep its lease.
    Lost,
}

/// Moves a run on, if nobody else does. That may take hours: `patience` is told whenever the store answered, so that an
/// outage does not count for the next.
///
/// # Errors
/// As [`follow`], without its patience.
pub(super) async fn lead(
    store: &Arc<dyn RunStore>,
    run: &RunId,
    options: &FollowOptions,
    watcher: &dyn Watcher,
    cancel: &CancelToken,
    patience: &mut Patience,
) -> Result<Led> {
    let request = LeaseRequest {
        name: format!("coordinator/{run}"),
        holder: options.by.clone(),
        note: String::new(),
        length: options.lease,
    };
    let kept = match keep(store, &request).await {
        Ok(kept) => kept,
        Err(error) if error.kind() == ErrorKind::Locked => return Ok(Led::Another),
        Err(error) => return Err(error),
    };
    // Freed also on the way out with an error: whoever comes next need not wait.
    let led = Leader::new(&**store, run, options, watcher).lead(&kept, cancel, patience).await;
    kept.free().await;
    led
}

/// Watches until the one who moves the run on may be gone.
async fn stand_by(
    store: &dyn RunStore,
    run: &RunId,
    options: &FollowOptions,
    watcher: &dyn Watcher,
    cancel: &CancelToken,
    patience: &mut Patience,
) -> Result<Option<RunView>> {
    let until = Instant::now() + options.lease / 2;
    let mut view = store.load(run).await?;
    loop {
        watcher.changed(&view);
        if view.phase.is_closed() {
            return Ok(Some(view));
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        tokio::select! {
            () = cancel.cancelled() => return Err(gone_on(run)),
            changes = store.changes(run, view.revision, left) => {
                view.take_in(changes?);
                patience.restore();
            }
        }
    }
}

/// The end of following that is none of the run.
fn gone_on(run: &RunId) -> Error {
    Error::new(ErrorKind::Cancelled, format!("run {run} goes on without this command"))
}

/// One run, moved on by the holder of its lease.
struct Leader<'a> {
    store: &'a dyn RunStore,
    run: &'a RunId,
    options: &'a FollowOptions,
    watcher: &'a dyn Watcher,
    agents: Agents,
    /// Claims whose agent was not there at the last look.
    missing: HashSet<(RepoName, String)>,
    /// Claims whose agent was not there at the last two: after an outage, one that has ended its work and could not say so
    /// needs a moment to say it.
    gone: HashSet<(RepoName, String)>,
    unserved: Unserved,
    offered: HashMap<(RepoName, u32), (Instant, u32)>,
}

impl<'a> Leader<'a> {
    fn new(
        store: &'a dyn RunStore,
        run: &'a RunId,
        options: &'a FollowOptions,
        watcher: &'a dyn Watcher,
    ) -> Self {
        let (agents, offered) = (Agents::default(), HashMap::new());
        let (missing, gone) = (HashSet::new(), HashSet::new());
        let unserved = Unserved::new(options.wait.unwrap_or(WAIT));
        Leader { store, run, options, watcher, agents, missing, gone, unserved, offered }
    }

    async fn lead(mut self, kept: &Kept, cancel: &CancelToken, patience: &mut Patience) -> Result<Led> {
        let mut view = self.store.load(self.run).await?;
        self.unserved = Unserved::new(self.options.wait.or(view.run.wait).unwrap_or(WAIT));
        let pause = (self.options.lease / 3).min(Duration::from_secs(2));
        let mut look = Instant::now();
        loop {
            if kept.lost().is_cancelled() {
                return Ok(Led::Lost);
            }
            if cancel.is_cancelled() {
                return Err(gone_on(self.run));
            }
            if view.phase.is_closed() {
                self.watcher.changed(&view);
                return Ok(Led::Over(Box::new(view)));
            }
            if Instant::now() >= look {
                self.look(&view).await?;
                look = Instant::now() + pause;
            }
            let moved = self.move_on(&mut view).await?;
            self.watcher.changed(&view);
            if moved {
                continue;
            }
            self.offer(&view).await?;
            if view.is_over() {
                self.close(&mut view).await?;
                continue;
            }
            let wait = look.saturating_duration_since(Instant::now());
            tokio::select! {
                () = cancel.cancelled() => {}
                () = kept.lost().cancelled() => {}
                changes = self.store.changes(self.run, view.revision, wait) => {
                    view.take_in(changes?);
                    patience.restore();
                }
            }
        }
    }

    /// Looks which agents are there. What is judged by it was known before it was asked, so that an agent which came
    /// since is not taken for one that is gone.
    async fn look(&mut self, view: &RunView) -> Result<()> {
        self.agents = Agents::now(self.store, &view.run.env).await?;
        let claimed = view.repos.iter().filter_map(|repo| match &repo.state {
            RepoState::Running(Claim { lease, .. }) => Some((repo.repo.clone(), lease.clone())),
            _ => None,
        });
        let missing: HashSet<_> = claimed.filter(|(_, lease)| !self.agents.has(lease)).collect();
        self.gone = missing.intersection(&self.missing).cloned().collect();
        self.missing = missing;
        for line in self.unserved.look(view, &self.agents) {
            self.watcher.notice(&line);
        }
        Ok(())
    }

    /// Does what is to be done now; says whether anything was, so that what follows from it is done next.
    async fn move_on(&mut self, view: &mut RunView) -> Result<bool> {
        let next = self.next(view);
        for Move { repo, seen, state } in &next {
            let tell = |line: &str| self.watcher.notice(line);
            match patience::advance(self.store, self.run, repo, *seen, state, &tell).await {
                Ok(revision) => {
                    if let Some(known) = view.repos.iter_mut().find(|known| known.repo == *repo) {
                        (known.state, known.revision) = (state.clone(), revision);
                    }
                    self.watcher.advanced(&view.run, repo, state).await;
                }
                // Somebody was first: what was to follow may not follow any more. Read anew and whole, as what changed since
                // a revision does not mend a view that missed something before it.
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    *view = self.store.load(self.run).await?;
                    return Ok(true);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(!next.is_empty())
    }

    fn next(&self, view: &RunView) -> Vec<Move> {
        let known = Known {
            by: &self.options.by,
            attempts: self.options.attempts,
            is_gone: &|repo, claim| self.gone.contains(&(repo.clone(), claim.lease.clone())),
            given_up: &|repo| self.unserved.given_up(repo, &view.run.env),
        };
        moves(view, &known)
    }

    /// Tells the agents what is ready.
    async fn offer(&mut self, view: &RunView) -> Result<()> {
        if view.phase != RunPhase::Open {
            return Ok(());
        }
        for (repo, planned) in view.repos.iter().zip(&view.run.repos) {
            let RepoState::Ready { attempt } = repo.state else { continue };
            let key = (repo.repo.clone(), attempt);
            let before = self.offered.get(&key);
            if before.is_some_and(|(last, _)| last.elapsed() < OFFER_AGAIN) {
                continue;
            }
            // Another offer than the one that was lost: a queue passes over what it knows.
            let again = before.map_or(0, |(_, again)| again.saturating_add(1));
            let offer = Offer {
                run: self.run.clone(),
                env: view.run.env.clone(),
                repo: repo.repo.clone(),
                attempt,
                revision: repo.revision,
                task: planned.task.clone(),
                again,
            };
            self.store.offer(&offer).await?;
            self.offered.insert(key, (Instant::now(), again));
        }
        Ok(())
    }

    /// Writes the end down, and then closes the run: a crash in between writes it down again, and never not at all.
    async fn close(&self, view: &mut RunView) -> Result<()> {
        self.watcher.over(view).await?;
        let revision = match self.store.mark(self.run, view.phase_revision, &RunPhase::Closed).await {
            Ok(revision) => revision,
            // A wish came in between, or another closed it: looked at again.
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let (phase, revision) = self.store.phase(self.run, Revision(0), Duration::ZERO).await?;
                (view.phase, view.phase_revision) = (phase, revision);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        (view.phase, view.phase_revision) = (RunPhase::Closed, revision);
        Ok(())
    }
}

/// Wishes that a run ends; [`follow`] it to see it end. `tell` hears that a store that fails is waited for.
///
/// # Errors
/// `NotFound` when there is no such run; `Invalid` when it has ended; what the store fails with.
pub async fn wish_to_end(
    store: &dyn RunStore,
    run: &RunId,
    wish: Wish,
    tell: &(dyn Fn(&str) + Send + Sync),
) -> Result<()> {
    let mut patience = Patience::default();
    loop {
        let wished = async {
            let (phase, revision) = store.phase(run, Revision(0), Duration::ZERO).await?;
            match phase {
                RunPhase::Open => {
                    store.mark(run, revision, &RunPhase::Cancelling(wish.clone())).await.map(drop)
                }
                RunPhase::Cancelling(_) => Ok(()),
                RunPhase::Closed => {
                    Err(Error::invalid(format!("run {run} has ended: there is nothing to cancel"))
                        .hint(format!("see how with `cargo xtask infra:deploy:status {run}`")))
                }
            }
        };
        match wished.await {
            Ok(()) => return Ok(()),
            // Its phase changed in between: looked at again.
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => patience.bear(error, tell).await?,
        }
    }
}
