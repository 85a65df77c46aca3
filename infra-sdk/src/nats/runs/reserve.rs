//! One run a repo at a time: a key says which run has it, and whoever wants it looks whether that run has ended.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::names::{EnvName, RepoName};
use crate::nats::runs::NatsRuns;
use crate::nats::runs::bucket::{Write, Wrote};
use crate::nats::runs::create::AT_ONCE;
use crate::nats::runs::link::Link;
use crate::nats::runs::records::{Busy, Phase};
use crate::runs::{Run, RunId, RunPhase, busy};

const RESERVE: &str = "reserve the repos of a run";

/// How long a run that is not whole yet keeps others waiting: whoever makes it needs a second or two for a thousand repos.
const GRACE: Duration = Duration::from_secs(10);
/// How long between two looks at such a run.
const PAUSE: Duration = Duration::from_millis(100);

/// What came of wanting one repo.
enum Wanted {
    /// It is this run's, by a key written now at that revision, or before.
    Ours(Option<(String, u64)>),
    /// A run that has not ended has it.
    Busy(RepoName, RunId),
    /// A run has it that is not whole yet, or never will be.
    Unfinished(RunId),
}

/// How far another run is that has a repo.
#[derive(Clone, Copy)]
enum Other {
    Runs,
    Ended,
    Unfinished,
}

impl NatsRuns {
    /// Makes all repos this run's, or none.
    ///
    /// Several runs that are being made at once may each have a part: then the one whose name is smaller keeps its part and
    /// waits, the others give theirs up and wait. A run that is still not whole after ten seconds is given up for whoever
    /// makes it: its phase is written as ended, which is the write that would have made it whole.
    ///
    /// # Errors
    /// `Conflict` when another run has one of them; `Unavailable` or `Denied`.
    pub(super) async fn reserve(&self, link: &Link, run: &Run) -> Result<()> {
        let mut reserved: HashMap<String, u64> = HashMap::new();
        let mut met: HashMap<RunId, Instant> = HashMap::new();
        loop {
            let (mut refused, mut unfinished) = (None, Vec::new());
            let others = Mutex::default();
            let wanted: Vec<_> = run
                .repos
                .iter()
                .map(|repo| self.want(link, &run.id, &run.env, &repo.repo, &others))
                .collect();
            let mut wanted = stream::iter(wanted).buffer_unordered(AT_ONCE);
            while let Some(found) = wanted.next().await {
                match found {
                    Ok(Wanted::Ours(written)) => reserved.extend(written),
                    Ok(Wanted::Unfinished(other)) => unfinished.push(other),
                    Ok(Wanted::Busy(repo, other)) => refused = Some(busy(&repo, &run.env, &other)),
                    Err(error) => refused = Some(error),
                }
            }
            drop(wanted);
            if let Some(error) = refused {
                self.give_back(link, &mut reserved).await;
                return Err(error);
            }
            if unfinished.is_empty() {
                return Ok(());
            }
            if unfinished.iter().any(|other| *other < run.id) {
                self.give_back(link, &mut reserved).await;
            }
            for other in unfinished {
                if met.entry(other.clone()).or_insert_with(Instant::now).elapsed() >= GRACE {
                    self.give_up(link, &other, &run.env).await?;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn want(
        &self,
        link: &Link,
        run: &RunId,
        env: &EnvName,
        repo: &RepoName,
        others: &Mutex<HashMap<RunId, Other>>,
    ) -> Result<Wanted> {
        let key = self.keys().busy(env, repo);
        loop {
            let seen = match link.get(RESERVE, &key).await? {
                Some(entry) if entry.is_there() => {
                    let Busy { run: holder } = entry.read()?;
                    if holder == *run {
                        return Ok(Wanted::Ours(None));
                    }
                    match self.other(link, &holder, others).await? {
                        Other::Runs => return Ok(Wanted::Busy(repo.clone(), holder)),
                        Other::Unfinished => return Ok(Wanted::Unfinished(holder)),
                        Other::Ended => entry.revision,
                    }
                }
                Some(mark) => mark.revision,
                None => 0,
            };
            let write = Write::new(&key, &Busy { run: run.clone() }, seen)?;
            if let Wrote::At(revision) = link.write(RESERVE, write).await? {
                return Ok(Wanted::Ours(Some((key, revision))));
            }
        }
    }

    /// How far a run is that has a repo; asked once for all its repos.
    async fn other(&self, link: &Link, run: &RunId, others: &Mutex<HashMap<RunId, Other>>) -> Result<Other> {
        let known = others.lock().unwrap_or_else(PoisonError::into_inner).get(run).copied();
        if let Some(known) = known {
            return Ok(known);
        }
        let found = match Phase::of(link.get(RESERVE, &self.keys().phase(run)).await?)? {
            Some((phase, _)) if phase.phase.is_closed() => Other::Ended,
            Some(_) => Other::Runs,
            // Nothing of it is there: it was forgotten, or given up by who made it.
            None if !link.get(RESERVE, &self.keys().what(run)).await?.is_some_and(|what| what.is_there()) => {
                Other::Ended
            }
            None => Other::Unfinished,
        };
        others.lock().unwrap_or_else(PoisonError::into_inner).insert(run.clone(), found);
        Ok(found)
    }

    /// Keeps a run that is not whole from ever becoming one.
    async fn give_up(&self, link: &Link, run: &RunId, env: &EnvName) -> Result<()> {
        let key = self.keys().phase(run);
        let phase = Phase { phase: RunPhase::Closed, env: env.clone(), born: 0, given_up: true };
        // Should it have become whole just now, that is seen when its repos are wanted again.
        link.write(RESERVE, Write::new(&key, &phase, 0)?).await.map(drop)
    }

    /// What cannot be given back is taken by the next who wants it, as this run is not there.
    async fn give_back(&self, link: &Link, reserved: &mut HashMap<String, u64>) {
        let all = std::mem::take(reserved);
        let erased: Vec<_> =
            all.iter().map(|(key, seen)| link.write(RESERVE, Write::erase(key, *seen))).collect();
        stream::iter(erased).buffer_unordered(AT_ONCE).for_each(|_| std::future::ready(())).await;
    }
}

/// The error of a run that another took the repos of before it was whole.
pub(super) fn given_up(run: &RunId) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!("run {run} was not whole for too long, and another took its repos"),
    )
    .hint("see what runs with `cargo xtask infra:deploy:status last`, then start another run")
}
