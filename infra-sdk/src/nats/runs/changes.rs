//! What changed in a run, put together from its keys.

use std::collections::HashMap;
use std::time::Duration;

use crate::error::Result;
use crate::names::RepoName;
use crate::nats::runs::NatsRuns;
use crate::nats::runs::bucket::Entry;
use crate::nats::runs::keys::{PREFIX, last};
use crate::nats::runs::records::Phase;
use crate::nats::runs::wake::Wake;
use crate::runs::{Changes, End, RepoState, RepoView, Revision, Run, RunId, RunPhase, RunView, no_run};
use crate::time::Timestamp;

const READ: &str = "read a run";
const FOLLOW: &str = "follow a run";

impl NatsRuns {
    pub(super) async fn whole(&self, run: &RunId) -> Result<RunView> {
        let link = self.link().await?;
        let listing = link.list(READ, &self.keys().run(run)).await?;
        let what = self.keys().what(run);
        let described = listing.entries.iter().find(|entry| entry.key == what).map(Entry::read::<Run>);
        let run_of = described.transpose()?.ok_or_else(|| no_run(run))?;
        let revision = Revision(listing.revision);
        // Not the newest revision among them: they are read in several requests, and what was written between two of them
        // may be in the second one's answer while something older is not in the first one's. Some changes come twice so.
        let Changes { phase, repos, .. } = self.put_together(run, listing.entries, listing.revision)?;
        let (phase, phase_revision) = phase.ok_or_else(|| no_run(run))?;
        let mut known: HashMap<RepoName, RepoView> =
            repos.into_iter().map(|view| (view.repo.clone(), view)).collect();
        // One that lacks a state is being forgotten right now.
        let in_order =
            run_of.repos.iter().map(|planned| known.remove(&planned.repo).ok_or_else(|| no_run(run)));
        let repos = in_order.collect::<Result<Vec<RepoView>>>()?;
        Ok(RunView { run: run_of, phase, phase_revision, repos, revision })
    }

    pub(super) async fn followed(&self, run: &RunId, since: Revision, wait: Duration) -> Result<Changes> {
        let link = self.link().await?;
        let keys = self.keys().run(run);
        let mut wake = Wake::on(&link, &[format!("{PREFIX}{keys}")], wait).await?;
        let mut known = false;
        loop {
            let entries = link.since(FOLLOW, &keys, since.0).await?;
            let changes = self.put_together(run, entries, since.0)?;
            if changes.revision > since {
                return Ok(changes);
            }
            if !known {
                self.phase_now(run).await?;
                known = true;
            }
            if !wake.next().await {
                return Ok(changes);
            }
        }
    }

    /// The phase of a run and its revision.
    ///
    /// # Errors
    /// `NotFound` when there is no such run.
    pub(super) async fn phase_now(&self, run: &RunId) -> Result<(Phase, u64)> {
        let entry = self.link().await?.get(READ, &self.keys().phase(run)).await?;
        Phase::of(entry)?.filter(|(phase, _)| !phase.given_up).ok_or_else(|| no_run(run))
    }

    pub(super) async fn phase_after(
        &self,
        run: &RunId,
        seen: Revision,
        wait: Duration,
    ) -> Result<(RunPhase, Revision)> {
        let link = self.link().await?;
        let mut wake = Wake::on(&link, &[format!("{PREFIX}{}", self.keys().phase(run))], wait).await?;
        loop {
            let (phase, revision) = self.phase_now(run).await?;
            if revision != seen.0 || !wake.next().await {
                return Ok((phase.phase, Revision(revision)));
            }
        }
    }

    /// Each repo once, as it is now.
    fn put_together(&self, run: &RunId, entries: Vec<Entry>, known: u64) -> Result<Changes> {
        let (phase_key, what) = (self.keys().phase(run), self.keys().what(run));
        let (mut phase, mut revision, mut repos) = (None, known, HashMap::new());
        for entry in entries.into_iter().filter(Entry::is_there) {
            let at = Revision(entry.revision);
            revision = revision.max(entry.revision);
            if entry.key == phase_key {
                let kept: Phase = entry.read()?;
                phase = (!kept.given_up).then_some((kept.phase, at));
            } else if entry.key != what {
                let repo: RepoName = last(&entry.key)?.parse()?;
                let state = match entry.read() {
                    // What is not even JSON is of no version: the run goes on without this repo, and ends.
                    Err(error) if !entry.is_json() => RepoState::Failed(End {
                        attempt: 0,
                        by: "nobody".into(),
                        since: None,
                        at: entry.written.unwrap_or_else(Timestamp::now),
                        commit: None,
                        error: Some(format!("{error}: somebody wrote over it")),
                    }),
                    read => read?,
                };
                repos.insert(repo.clone(), RepoView { repo, state, revision: at });
            }
        }
        Ok(Changes { phase, repos: repos.into_values().collect(), revision: Revision(revision) })
    }
}
