//! The port to wherever runs are kept: state that changes by compare-and-set, and a queue that wakes agents up.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::names::{EnvName, RepoName, quoted};
use crate::runs::{Changes, Created, Leases, RepoState, Revision, Run, RunId, RunPhase, RunSummary, RunView};

/// Keeps the runs of one organisation.
///
/// The state of a repo is the truth; a claim is a change of it that names the revision before. The queue is only a hint
/// that wakes an agent up: an offer that was taken is no claim, and one that is lost is made again.
///
/// # Contract
/// - `create` keeps a run whole or not at all: all its repos are `waiting` and it is `open`. Doing it again with the same
///   name is [`Created::Before`] and changes nothing, also when the first attempt ended half way.
/// - Of runs that are not `closed`, no two have a repo in common in one environment: `create` fails with the error of
///   [`busy`], which names the other run. Of several that ask at once, one at most gets a repo.
/// - `recent` gives the newest runs first, in the order in which this store created them.
/// - `load` gives a run whole, and `NotFound` when there is none of that name. A view never has a revision that it does
///   not know: a change is in it, or [`changes`](RunStore::changes) from its revision on gives it.
/// - Revisions of one run grow with every change, whatever changed. Two states never have the same revision.
/// - `advance` and `mark` change what has exactly the revision that was seen, and give the new one. When it has another
///   one, they fail with the error of [`outdated`] and change nothing: of several that saw the same, exactly one succeeds.
///   They do not judge what follows what.
/// - `changes` gives everything that changed after a revision, waiting up to `wait` for something to change, and
///   an empty list after that. A repo that changed several times is given once, as it is now. A wait of zero gives
///   what is there at once.
/// - `phase` gives the phase as it is, at once when its revision is not `seen`, else when it changes or `wait` is over.
///   It costs the same however many repos the run has; so do `advance`, `offer`, `take` and `settle`.
/// - `offer` is idempotent by run, repo and attempt: [`Offered::Before`] when this offer was made before, for two minutes
///   at least. It never fails because another offer for the repo is there.
/// - `take` gives an offer for one of the repos in that environment, of one run the oldest first, waiting up to `wait`. An
///   offer that was given is given to nobody else, unless it was not settled for the store's time of redelivery.
/// - An offer that was settled is never given again. Settling twice, or after it was given to another, is no error.
/// - Closed runs may be forgotten, the oldest first; others never are.
#[async_trait]
pub trait RunStore: Leases {
    /// Where they are kept, for people: whoever is to meet here has to mean the same place.
    fn place(&self) -> String;

    /// Keeps a new run.
    ///
    /// # Errors
    /// `Conflict` when one of the repos is in another run that is not closed; `Unavailable`, `Denied` or `Io`. A store may
    /// refuse one that does not pass [`Run::check`].
    async fn create(&self, run: &Run) -> Result<Created>;

    /// At most `limit` runs, the newest first.
    ///
    /// # Errors
    /// `Unavailable`, `Denied` or `Io`; `Invalid` for one that cannot be read.
    async fn recent(&self, limit: usize) -> Result<Vec<RunSummary>>;

    /// All runs in an environment that are not closed, in no order. What cannot be read is told beside them, and keeps none
    /// of the others back where the store can tell them apart.
    ///
    /// # Errors
    /// `Unavailable`, `Denied` or `Io`; `Invalid` for what cannot be read, where that cannot be told apart.
    async fn unfinished(&self, env: &EnvName) -> Result<Unfinished> {
        let mut runs = self.recent(usize::MAX).await?;
        runs.retain(|run| run.env == *env && !run.phase.is_closed());
        Ok(Unfinished { runs: runs.into_iter().map(|run| run.id).collect(), unreadable: Vec::new() })
    }

    /// A run as it is now.
    ///
    /// # Errors
    /// `NotFound` when there is no run of that name; `Unavailable`, `Denied` or `Io`.
    async fn load(&self, run: &RunId) -> Result<RunView>;

    /// What changed since.
    ///
    /// # Errors
    /// `NotFound` when there is no run of that name; `Unavailable`, `Denied` or `Io`.
    async fn changes(&self, run: &RunId, since: Revision, wait: Duration) -> Result<Changes>;

    /// How far the run itself is, and the revision of that; waits up to `wait` for a revision other than `seen`.
    ///
    /// # Errors
    /// `NotFound` when there is no run of that name; `Unavailable`, `Denied` or `Io`.
    async fn phase(&self, run: &RunId, seen: Revision, wait: Duration) -> Result<(RunPhase, Revision)>;

    /// Puts a repo into another state, if its state still is the one of revision `seen`.
    ///
    /// # Errors
    /// `Conflict` when it was changed since; `NotFound` when there is no such run or repo; `Unavailable`, `Denied` or
    /// `Io`, after which it may or may not have been changed.
    async fn advance(
        &self,
        run: &RunId,
        repo: &RepoName,
        seen: Revision,
        state: &RepoState,
    ) -> Result<Revision>;

    /// Puts the run itself into another phase, if its phase still is the one of revision `seen`.
    ///
    /// # Errors
    /// As [`advance`](RunStore::advance).
    async fn mark(&self, run: &RunId, seen: Revision, phase: &RunPhase) -> Result<Revision>;

    /// Tells the agents that serve a repo that it is ready.
    ///
    /// # Errors
    /// `Unavailable`, `Denied` or `Io`; offering again is then safe.
    async fn offer(&self, offer: &Offer) -> Result<Offered>;

    /// The next offer for one of these repos; `None` when none came.
    ///
    /// # Errors
    /// `Unavailable`, `Denied` or `Io`.
    async fn take(&self, env: &EnvName, repos: &[RepoName], wait: Duration) -> Result<Option<Taken>>;

    /// Says that an offer needs nobody any more: it was claimed, or somebody else did.
    ///
    /// # Errors
    /// `Unavailable`, `Denied` or `Io`; it is then given again some day, which does no harm.
    async fn settle(&self, taken: &Taken) -> Result<()>;
}

/// The runs of an environment that are not closed.
#[derive(Debug, Default)]
pub struct Unfinished {
    /// Their names.
    pub runs: Vec<RunId>,
    /// Why others could not be read.
    pub unreadable: Vec<Error>,
}

/// A hint that a repo is ready, with all that an agent needs to claim it: nobody has to load a run of a thousand repos
/// to deploy one of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Offer {
    /// The run.
    pub run: RunId,
    /// Its environment.
    pub env: EnvName,
    /// The repo.
    pub repo: RepoName,
    /// The attempt that is to be made.
    pub attempt: u32,
    /// The revision at which the repo became ready: a claim names it.
    pub revision: Revision,
    /// The task that deploys the repo.
    pub task: String,
    /// How often it was offered before: the same offer again may be passed over, a later one is not.
    #[serde(default, skip_serializing_if = "is_first")]
    pub again: u32,
}

fn is_first(again: &u32) -> bool {
    *again == 0
}

/// What offering did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// The offer was made now.
    Now,
    /// This offer was made before.
    Before,
}

/// An offer that was given to this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The offer.
    pub offer: Offer,
    /// What the store knows it by; for the store alone.
    pub token: String,
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of run {}, attempt {}", self.repo, self.run, self.attempt)
    }
}

/// The error of a change to something that somebody else changed since it was seen.
pub fn outdated(run: &RunId, what: &str) -> Error {
    Error::new(ErrorKind::Conflict, format!("{} was changed by somebody else in between", quoted(what)))
        .with("run", run)
        .hint(format!(
            "look at it with `cargo xtask infra:deploy:status {run}`, and repeat what still makes sense"
        ))
}

/// The error of a new run that wants a repo which another run has.
pub fn busy(repo: &RepoName, env: &EnvName, other: &RunId) -> Error {
    let flag = env_flag(env);
    Error::new(ErrorKind::Conflict, format!("{} is in another run that has not ended", quoted(repo.as_str())))
        .with("run", other)
        .with("env", env)
        .hint(format!(
            "see it with `cargo xtask infra:deploy:status {other}{flag}`, go on with `cargo xtask infra:deploy:resume \
             {other}{flag}`, or end it with `cargo xtask infra:deploy:cancel {other}{flag}`"
        ))
}

/// What a command needs to mean that environment, with a space before it; nothing for the local one.
pub(crate) fn env_flag(env: &EnvName) -> String {
    if *env == EnvName::local() { String::new() } else { format!(" --env {env}") }
}

/// The error of a run that is not there.
pub fn no_run(run: &RunId) -> Error {
    Error::not_found(format!("there is no run {}", quoted(run.as_str())))
        .hint("see the last one with `cargo xtask infra:deploy:status last`")
        .hint(
            "one whose store was emptied or made anew is lost with it: start another with `cargo xtask infra:deploy:all`, \
             which rolls out nothing that is there unchanged",
        )
}
