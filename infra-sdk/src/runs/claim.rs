//! One offer from its claim to its end: the revision of the claim is the token that every later word about it needs.

use std::time::Duration;

use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result};
use crate::runs::agent::{Deployer, Job};
use crate::runs::keep::Kept;
use crate::runs::patience::{advance, passes};
use crate::runs::run::check_task;
use crate::runs::{Claim, End, Offer, RepoState, Revision, RunId, RunPhase, RunStore, Taken};
use crate::time::Timestamp;

/// The longest text of an error that is kept.
const LONGEST: usize = 2_000;

/// How long it may take until it is heard that an offer was claimed.
const HEARD: Duration = Duration::from_secs(2);

/// How long one look at the phase of a run waits.
const LOOK: Duration = Duration::from_secs(20);

/// What came of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claimed {
    /// Nothing: another was first, or the run has ended.
    Not,
    /// It was deployed.
    Deployed,
    /// It failed, was cancelled or given back.
    Ended,
    /// Nobody knows: it may be claimed, and what became of it may not be written down. It is free for others only once the
    /// lease of this agent is.
    Unknown,
}

/// Why work was told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// Somebody wishes the run to end.
    Cancelled,
    /// The agent's lease is gone: another may have begun.
    Lost,
    /// The agent is told to end.
    Leaving,
}

/// Claims what was offered, works on it and writes down how that ended.
///
/// # Errors
/// What the store fails with. A claim may have been made then, and ends with the lease: the caller frees that.
pub(super) async fn work_on(
    store: &dyn RunStore,
    deployer: &dyn Deployer,
    agent: &str,
    kept: &Kept,
    taken: &Taken,
    leaving: &CancelToken,
) -> Result<Claimed> {
    let Offer { run, env, repo, attempt, revision, task, .. } = taken.offer.clone();
    if let Err(error) = check_task(&task) {
        // No run has such a repo: who wrote the offer is no coordinator. Settled, so that it does not come again.
        deployer.tell(&format!("{repo}: the offer of run {run} is refused: {error}"));
        let _ = store.settle(taken).await;
        return Ok(Claimed::Not);
    }
    let job = Job { run, env, repo, task, attempt };
    let claim = Claim {
        attempt,
        agent: agent.to_owned(),
        lease: kept.id(),
        since: Timestamp::now(),
        commit: deployer.commit(&job.repo).await,
    };
    let running = RepoState::Running(claim.clone());
    let tell = |line: &str| deployer.tell(&format!("{}: {line}", job.repo));
    let claimed = match advance(store, &job.run, &job.repo, revision, &running, &tell).await {
        Ok(claimed) => claimed,
        Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound) => {
            // Whoever was first says how it ends.
            let _ = store.settle(taken).await;
            return Ok(Claimed::Not);
        }
        Err(error) => return Err(error),
    };
    // Should this not be heard, the offer is given again some day, and nobody can claim it: the work does not wait for it.
    let _ = tokio::time::timeout(HEARD, store.settle(taken)).await;
    deployer.advanced(&job, &running).await;

    let (result, stop) = deploy(store, deployer, &job, kept, leaving).await;
    let end = |error: Option<String>| End {
        attempt,
        by: agent.to_owned(),
        since: Some(claim.since),
        at: Timestamp::now(),
        commit: claim.commit.clone(),
        error,
    };
    let state = match (stop, result) {
        // What is done is done: whether somebody else has begun since is told by the revision.
        (_, Ok(())) => RepoState::Done(end(None)),
        (Some(Stop::Lost), Err(_)) => {
            let why = kept.why();
            let told = format!(
                "the lease was lost{why} and the deploy was stopped; an agent that serves it begins it anew"
            );
            deployer.tell(&format!("{}: {told}", job.repo));
            return Ok(Claimed::Ended);
        }
        (Some(Stop::Cancelled), Err(_)) => RepoState::Cancelled(end(None)),
        (Some(Stop::Leaving), Err(_)) => RepoState::Ready { attempt: attempt.saturating_add(1) },
        (None, Err(error)) => RepoState::Failed(end(Some(text_of(&error)))),
    };
    match advance(store, &job.run, &job.repo, claimed, &state, &tell).await {
        Ok(_) => deployer.advanced(&job, &state).await,
        // The lease had ended, and the work was given to another.
        Err(error) if error.kind() == ErrorKind::Conflict => {
            deployer.tell(&format!(
                "{}: it was taken back meanwhile, and may be another agent's; nothing was written down",
                job.repo
            ));
            return Ok(Claimed::Ended);
        }
        Err(error) => return Err(error),
    }
    Ok(if state.is_done() { Claimed::Deployed } else { Claimed::Ended })
}

/// Works until the end, or until something says stop; then until it has stopped.
async fn deploy(
    store: &dyn RunStore,
    deployer: &dyn Deployer,
    job: &Job,
    kept: &Kept,
    leaving: &CancelToken,
) -> (Result<()>, Option<Stop>) {
    // The safe point before the start: a wish that came in before the claim.
    let (phase, seen) = match store.phase(&job.run, Revision(0), Duration::ZERO).await {
        Ok((RunPhase::Open, revision)) => (RunPhase::Open, revision),
        Ok(other) => other,
        // It will be asked again while it runs.
        Err(_) => (RunPhase::Open, Revision(0)),
    };
    if phase != RunPhase::Open {
        return (Err(Error::new(ErrorKind::Cancelled, "the run is to end")), Some(Stop::Cancelled));
    }
    let token = CancelToken::new();
    let mut work = std::pin::pin!(deployer.deploy(job, &token));
    let stop = tokio::select! {
        biased;
        () = kept.lost().cancelled() => Stop::Lost,
        result = &mut work => return (result, None),
        () = cancelled(store, &job.run, seen) => Stop::Cancelled,
        () = leaving.cancelled() => Stop::Leaving,
    };
    token.cancel();
    let result = work.await;
    // The lease may have gone while it stopped.
    let stop = if kept.lost().is_cancelled() { Stop::Lost } else { stop };
    (result, Some(stop))
}

/// Ends when somebody wishes the run to end, or has ended it.
async fn cancelled(store: &dyn RunStore, run: &RunId, mut seen: Revision) {
    loop {
        match store.phase(run, seen, LOOK).await {
            Ok((RunPhase::Open, revision)) => seen = revision,
            Ok(_) => return,
            Err(error) if passes(&error) => tokio::time::sleep(Duration::from_secs(1)).await,
            // A run that is not there any more wants nothing deployed.
            Err(error) if error.kind() == ErrorKind::NotFound => return,
            Err(_) => tokio::time::sleep(Duration::from_secs(5)).await,
        }
    }
}

/// What is kept of an error: its whole story, but not more than a page.
fn text_of(error: &Error) -> String {
    let text = error.report().to_string();
    let text: String = text.chars().filter(|c| *c == '\n' || !c.is_control()).collect();
    match text.char_indices().nth(LONGEST) {
        None => text,
        // The end of a program's output says more than its beginning.
        Some(_) => {
            let skip = text.chars().count() - LONGEST;
            format!("…{}", text.chars().skip(skip).collect::<String>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_error_is_kept_short_with_its_end() {
        let error = Error::invalid("x".repeat(5_000)).because("the\u{1b}[2J last\nline");
        let text = text_of(&error);
        assert!(text.chars().count() == LONGEST + 1 && text.starts_with('…'), "{text}");
        assert!(text.ends_with("the[2J last\n    line"), "{text}");
        assert_eq!(text_of(&Error::invalid("short")), "short");
    }
}
