//! A store that does not answer for a while: waited for, and not for ever.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::names::RepoName;
use crate::runs::{RepoState, Revision, RunId, RunStore, RunView};

/// How long a store may be gone before an error is an error.
const LONGEST: Duration = Duration::from_secs(300);

/// How long between two attempts.
const PAUSE: Duration = Duration::from_millis(300);

/// Who hears, once an outage, that the store is waited for and why.
pub(super) type Tell<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// What is left of the patience with one store.
#[derive(Debug, Default)]
pub(super) struct Patience {
    since: Option<Instant>,
}

impl Patience {
    /// The store answered.
    pub(super) fn restore(&mut self) {
        self.since = None;
    }

    /// Waits a moment after an error that may pass; tells of the first since the store answered.
    ///
    /// # Errors
    /// The error itself when it does not pass by waiting, or was waited for long enough.
    pub(super) async fn bear(&mut self, error: Error, tell: Tell<'_>) -> Result<()> {
        let first = self.since.is_none();
        let since = *self.since.get_or_insert_with(Instant::now);
        if !passes(&error) || since.elapsed() >= LONGEST {
            return Err(error);
        }
        if first {
            tell(&format!("the store of runs fails, trying again: {}", error.line()));
        }
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }
}

/// A run as it is now, also from a store that is away for a while.
///
/// # Errors
/// As [`RunStore::load`]; what the store fails with for longer than five minutes.
pub(crate) async fn load(store: &dyn RunStore, run: &RunId, tell: Tell<'_>) -> Result<RunView> {
    let mut patience = Patience::default();
    loop {
        match store.load(run).await {
            Ok(view) => return Ok(view),
            Err(error) => patience.bear(error, tell).await?,
        }
    }
}

/// Whether waiting may help: the store is away, and did not say no.
pub(super) fn passes(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::TimedOut)
}

/// Changes the state of a repo as [`RunStore::advance`] does, also when the answer to an earlier attempt was lost: then it
/// looks whether that one had been heard.
///
/// # Errors
/// As `advance`; what the store fails with after it was waited for.
pub(super) async fn advance(
    store: &dyn RunStore,
    run: &RunId,
    repo: &RepoName,
    seen: Revision,
    state: &RepoState,
    tell: Tell<'_>,
) -> Result<Revision> {
    let (mut patience, mut doubtful) = (Patience::default(), false);
    loop {
        let error = match store.advance(run, repo, seen, state).await {
            Ok(revision) => return Ok(revision),
            Err(error) => error,
        };
        if doubtful && error.kind() == ErrorKind::Conflict {
            // Nothing that may be behind is asked: it would deny a change that was heard.
            match store.load(run).await {
                Ok(view) => {
                    return match view.repo(repo).filter(|now| now.state == *state) {
                        Some(heard) => Ok(heard.revision),
                        None => Err(error),
                    };
                }
                Err(error) => patience.bear(error, tell).await?,
            }
        } else {
            patience.bear(error, tell).await?;
            doubtful = true;
        }
    }
}
