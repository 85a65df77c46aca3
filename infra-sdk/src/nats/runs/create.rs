//! Making a run, whole or not at all: its phase is the last key that is written, and the one that makes it a run.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::json;

use crate::error::{Error, ErrorKind, Result};
use crate::names::{EnvName, RepoName, quoted};
use crate::nats::assets::RUNS_STREAM;
use crate::nats::runs::NatsRuns;
use crate::nats::runs::bucket::{Entry, Write, Wrote};
use crate::nats::runs::keys::PREFIX;
use crate::nats::runs::link::Link;
use crate::nats::runs::records::Phase;
use crate::nats::runs::reserve::given_up;
use crate::runs::{Created, RepoState, Run, RunId, RunPhase, RunSummary, Unfinished};

const CREATE: &str = "create a run";
const RECENT: &str = "list the runs";
const FORGET: &str = "forget an old run";

/// How many keys are written at the same time.
pub(super) const AT_ONCE: usize = 64;

/// How many closed runs are kept, and how many more there may be before the oldest go.
const KEPT: usize = 200;
const SPARE: usize = 50;

impl NatsRuns {
    pub(super) async fn made(&self, run: &Run) -> Result<Created> {
        run.check()?;
        let link = self.link().await?;
        if let Some((phase, _)) = Phase::of(link.get(CREATE, &self.keys().phase(&run.id)).await?)? {
            return before(&run.id, &phase);
        }
        let what = self.keys().what(&run.id);
        let born = self.described(&link, &what, run).await?;
        if let Err(error) = self.reserve(&link, run).await {
            // Without it nobody waits for this run to become whole.
            let _ = link.write(CREATE, Write::erase(&what, born)).await;
            return Err(error);
        }
        let waiting: Vec<_> =
            run.repos.iter().map(|repo| self.wait_for(&link, &run.id, &repo.repo)).collect();
        stream::iter(waiting).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        let key = self.keys().phase(&run.id);
        let phase = Phase { phase: RunPhase::Open, env: run.env.clone(), born, given_up: false };
        if let Wrote::At(_) = link.write(CREATE, Write::new(&key, &phase, 0)?).await? {
            // Housekeeping: a run that was made is made, whatever becomes of this.
            let _ = self.forget(&link).await;
            return Ok(Created::Now);
        }
        match Phase::of(link.get(CREATE, &key).await?)? {
            Some((phase, _)) => before(&run.id, &phase),
            None => Err(given_up(&run.id)),
        }
    }

    /// Makes a repo wait, unless an attempt before did.
    async fn wait_for(&self, link: &Link, run: &RunId, repo: &RepoName) -> Result<()> {
        let key = self.keys().repo(run, repo);
        link.write(CREATE, Write::new(&key, &RepoState::Waiting, 0)?).await.map(drop)
    }

    /// Writes down what the run is to do, unless an attempt before did, and says at which revision it stands.
    async fn described(&self, link: &Link, key: &str, run: &Run) -> Result<u64> {
        let mut seen = 0;
        loop {
            if let Wrote::At(revision) = link.write(CREATE, Write::new(key, run, seen)?).await? {
                return Ok(revision);
            }
            seen = match link.get(CREATE, key).await? {
                Some(entry) if entry.is_there() => {
                    let known: Run = entry.read()?;
                    if known.repos != run.repos || known.env != run.env {
                        return Err(Error::new(
                            ErrorKind::Conflict,
                            format!("another run is named {}", quoted(run.id.as_str())),
                        )
                        .hint("start a run with another name"));
                    }
                    return Ok(entry.revision);
                }
                Some(mark) => mark.revision,
                None => 0,
            };
        }
    }

    pub(super) async fn newest(&self, limit: usize) -> Result<Vec<RunSummary>> {
        let link = self.link().await?;
        let listed = self.phases(&link, RECENT).await?;
        let newest = listed.into_iter().rev().filter(|(_, phase)| !phase.given_up).take(limit);
        Ok(newest.map(|(id, Phase { phase, env, .. })| RunSummary { id, env, phase }).collect())
    }

    /// Those in an environment that are not closed. One that a later version wrote keeps none of the others back.
    pub(super) async fn open_in(&self, env: &EnvName) -> Result<Unfinished> {
        let mut found = Unfinished::default();
        for entry in &self.link().await?.list(RECENT, &self.keys().phases()).await?.entries {
            match read(entry) {
                Ok((id, phase)) => {
                    if phase.env == *env && !phase.given_up && !phase.phase.is_closed() {
                        found.runs.push(id);
                    }
                }
                Err(error) => found.unreadable.push(error),
            }
        }
        Ok(found)
    }

    /// The phases of all runs, the oldest first.
    async fn phases(&self, link: &Link, what: &str) -> Result<Vec<(RunId, Phase)>> {
        let entries = link.list(what, &self.keys().phases()).await?.entries;
        let mut phases = entries.iter().map(read).collect::<Result<Vec<_>>>()?;
        phases.sort_by_key(|(_, phase)| phase.born);
        Ok(phases)
    }

    /// Forgets the oldest closed runs, once there are many more than are kept.
    async fn forget(&self, link: &Link) -> Result<()> {
        if link.count(FORGET, &self.keys().phases()).await? <= KEPT + SPARE {
            return Ok(());
        }
        let closed: Vec<RunId> = self
            .phases(link, FORGET)
            .await?
            .into_iter()
            .filter(|(_, phase)| phase.phase.is_closed())
            .map(|(run, _)| run)
            .collect();
        for run in closed.iter().take(closed.len().saturating_sub(KEPT)) {
            let filter = format!("{PREFIX}{}", self.keys().run(run));
            let told = link
                .api::<serde_json::Value>(
                    FORGET,
                    &format!("STREAM.PURGE.{RUNS_STREAM}"),
                    &json!({ "filter": filter }),
                )
                .await?;
            told.map_err(|refusal| link.refused(FORGET, &refusal))?;
        }
        Ok(())
    }
}

fn before(run: &RunId, phase: &Phase) -> Result<Created> {
    if phase.given_up { Err(given_up(run)) } else { Ok(Created::Before) }
}

/// The run whose phase an entry is.
fn read(entry: &Entry) -> Result<(RunId, Phase)> {
    let run = entry.key.rsplit('.').nth(1).unwrap_or_default();
    Ok((crate::nats::subject::text(run)?.parse()?, entry.read()?))
}
