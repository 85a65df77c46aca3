//! The log of one run: a line a change, and what all of them together make of it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::lines;
use crate::names::RepoName;
use crate::runs::{Changes, Offer, RepoState, RepoView, Revision, Run, RunPhase, RunView};
use crate::state::ProcessMark;
use crate::time::Timestamp;

/// One change of a run; the byte after its line is its revision.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Entry {
    /// What it is to do: the first line.
    Run(Run),
    /// The run is in this phase.
    Phase(RunPhase),
    /// A repo is in this state.
    Repo { repo: RepoName, state: RepoState },
    /// A repo was offered.
    Offer(Offer),
    /// The offer of the line that ends at `place` was given to somebody.
    Taken { place: u64, by: Taker },
    /// It needs nobody any more.
    Settled { place: u64 },
}

/// Who has an offer, and for how long.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Taker {
    pub(super) id: String,
    pub(super) until: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) process: Option<ProcessMark>,
}

impl Entry {
    /// The entry as a line.
    pub(super) fn line(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|error| Error::new(ErrorKind::Bug, "write a change of a run").because(error))
    }

    /// The lines a run begins with: nothing of it is begun.
    pub(super) fn first(run: &Run) -> Result<String> {
        let states =
            run.repos.iter().map(|repo| Entry::Repo { repo: repo.repo.clone(), state: RepoState::Waiting });
        let entries = [Entry::Run(run.clone()), Entry::Phase(RunPhase::Open)].into_iter().chain(states);
        entries.map(|entry| Ok(entry.line()? + "\n")).collect()
    }
}

/// An offer that nobody settled.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) offer: Offer,
    taken: Option<Taker>,
}

impl Pending {
    /// Whether nobody has it, or nobody any more.
    fn is_free(&self) -> bool {
        self.taken.as_ref().is_none_or(|taker| {
            taker.until <= Timestamp::now() || taker.process.as_ref().is_some_and(ProcessMark::is_gone)
        })
    }

    /// Whether this taker has it.
    pub(super) fn is_with(&self, id: &str) -> bool {
        self.taken.as_ref().is_some_and(|taker| taker.id == id)
    }
}

/// A run as its log tells it, as far as it was read.
#[derive(Debug)]
pub(super) struct Folded {
    end: u64,
    run: Option<Run>,
    phase: (RunPhase, Revision),
    repos: Vec<RepoView>,
    places: HashMap<RepoName, usize>,
    offered: HashSet<(RepoName, u32)>,
    /// By the place of their line, so that the oldest is the first.
    pub(super) pending: BTreeMap<u64, Pending>,
}

impl Default for Folded {
    fn default() -> Self {
        Folded {
            end: 0,
            run: None,
            phase: (RunPhase::Open, Revision(0)),
            repos: Vec::new(),
            places: HashMap::new(),
            offered: HashSet::new(),
            pending: BTreeMap::new(),
        }
    }
}

impl Folded {
    /// Reads what was written since; says whether there was anything.
    ///
    /// # Errors
    /// `Invalid` with the place of a damaged line; `Denied` or `Io`.
    pub(super) fn catch_up(&mut self, path: &Path) -> Result<bool> {
        let before = self.end;
        if std::fs::metadata(path).is_ok_and(|about| about.len() == self.end) {
            return Ok(false);
        }
        for line in lines::read(path, self.end)? {
            let line = line?;
            let entry = serde_json::from_slice(&line.bytes).map_err(|error| {
                Error::invalid("the log of a run is damaged")
                    .with("path", path.display())
                    .with("byte", self.end)
                    .because(error)
                    .hint("restore the file from a backup, or move it away and start the deploy anew")
            })?;
            self.take(entry, line.end);
        }
        Ok(self.end > before)
    }

    /// Takes in one entry, whose line ends at `end`.
    pub(super) fn take(&mut self, entry: Entry, end: u64) {
        self.end = end;
        let revision = Revision(end);
        match entry {
            Entry::Run(run) => self.run = Some(run),
            Entry::Phase(phase) => self.phase = (phase, revision),
            Entry::Repo { repo, state } => match self.places.get(&repo).copied() {
                Some(place) => self.repos[place] = RepoView { repo, state, revision },
                None => {
                    self.places.insert(repo.clone(), self.repos.len());
                    self.repos.push(RepoView { repo, state, revision });
                }
            },
            Entry::Offer(offer) => {
                self.offered.insert((offer.repo.clone(), offer.attempt));
                self.pending.insert(end, Pending { offer, taken: None });
            }
            Entry::Taken { place, by } => {
                if let Some(pending) = self.pending.get_mut(&place) {
                    pending.taken = Some(by);
                }
            }
            Entry::Settled { place } => drop(self.pending.remove(&place)),
        }
    }

    /// What the run is to do, and how far it is.
    pub(super) fn phase(&self) -> &(RunPhase, Revision) {
        &self.phase
    }

    /// The repos that it has.
    pub(super) fn has(&self, repo: &RepoName) -> bool {
        self.places.contains_key(repo)
    }

    /// How far a repo is.
    pub(super) fn repo(&self, repo: &RepoName) -> Option<&RepoView> {
        self.places.get(repo).map(|place| &self.repos[*place])
    }

    /// Whether this offer was ever made.
    pub(super) fn was_offered(&self, offer: &Offer) -> bool {
        self.offered.contains(&(offer.repo.clone(), offer.attempt))
    }

    /// The oldest offer for one of these repos that nobody has.
    pub(super) fn free_offer(&self, repos: &HashSet<&RepoName>) -> Option<(u64, &Offer)> {
        let wanted = |pending: &&Pending| repos.contains(&pending.offer.repo) && pending.is_free();
        self.pending.iter().find(|(_, pending)| wanted(pending)).map(|(place, found)| (*place, &found.offer))
    }

    /// Everything, if the log has its first line.
    pub(super) fn view(&self) -> Option<RunView> {
        let (phase, phase_revision) = self.phase.clone();
        Some(RunView {
            run: self.run.clone()?,
            phase,
            phase_revision,
            repos: self.repos.clone(),
            revision: Revision(self.end),
        })
    }

    /// What changed after a revision.
    pub(super) fn changes(&self, since: Revision) -> Changes {
        Changes {
            phase: Some(self.phase.clone()).filter(|(_, revision)| *revision > since),
            repos: self.repos.iter().filter(|repo| repo.revision > since).cloned().collect(),
            revision: Revision(self.end).max(since),
        }
    }
}
