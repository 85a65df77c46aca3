//! Runs as one log each, for agents and coordinators that are processes of one machine.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::file::{self, Access, FileLock};
use crate::lines::LineFile;
use crate::local::runs_log::{Entry, Folded, Taker};
use crate::names::{EnvName, RepoName};
use crate::runs::{
    Changes, Created, Offer, Offered, RepoState, Revision, Run, RunId, RunPhase, RunStore, RunSummary,
    RunView, Taken, Unfinished, busy, no_run, outdated,
};
use crate::state::ProcessMark;
use crate::time::Timestamp;

/// How often a file is looked at while something is waited for.
const LOOK: Duration = Duration::from_millis(50);

/// How many closed runs are kept, and how many more there may be before the oldest go.
const KEPT: usize = 200;
const SPARE: usize = 50;

/// How many runs are remembered in memory as far as they were read.
const REMEMBERED: usize = 16;

/// The runs of an organisation in a folder of this machine. Cheap to clone.
///
/// ```text
/// index.json              every run, the oldest first
/// RUN.jsonl               what happened in one run, a line a change; the byte after a line is its revision
/// leases/NAME.json        who is there
/// ```
#[derive(Clone, Debug)]
pub struct LocalRuns {
    root: PathBuf,
    redelivery: Duration,
    folded: Arc<Mutex<HashMap<RunId, Shared>>>,
}

type Shared = Arc<Mutex<Folded>>;

/// One run in the index.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Known {
    id: RunId,
    env: EnvName,
    /// Set after the run was closed; a crash in between leaves it to the next who looks.
    #[serde(default)]
    closed: bool,
}

impl LocalRuns {
    /// The runs kept under the folder `root`, which need not be there yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        LocalRuns { root: root.into(), redelivery: Duration::from_secs(30), folded: Arc::default() }
    }

    /// After how long an offer that was taken and not settled is given again; 30 seconds at first.
    #[must_use]
    pub fn redelivery(self, redelivery: Duration) -> Self {
        LocalRuns { redelivery, ..self }
    }

    pub(super) fn leases_root(&self) -> PathBuf {
        self.root.join("leases")
    }

    fn path(&self, run: &RunId) -> PathBuf {
        self.root.join(format!("{run}.jsonl"))
    }

    fn index(&self) -> Result<Vec<Known>> {
        Ok(file::read_json(&self.root.join("index.json"))?.unwrap_or_default())
    }

    fn write_index(&self, index: &[Known]) -> Result<()> {
        file::write_json(&self.root.join("index.json"), index, Access::Private)
    }

    /// Keeps other processes from reading and changing the index in between.
    fn alone(&self) -> Result<FileLock> {
        FileLock::acquire(&self.root.join(".lock"))
    }

    /// A run as far as this process has read it.
    fn shared(&self, run: &RunId) -> Result<(PathBuf, Shared)> {
        let path = self.path(run);
        if !path.is_file() {
            return Err(no_run(run));
        }
        let mut folded = lock(&self.folded);
        if folded.len() >= REMEMBERED && !folded.contains_key(run) {
            folded.clear();
        }
        Ok((path, folded.entry(run.clone()).or_default().clone()))
    }

    /// Looks at a run as it is now.
    fn look<T>(&self, run: &RunId, look: impl FnOnce(&Folded) -> T) -> Result<T> {
        let (path, shared) = self.shared(run)?;
        let mut folded = lock(&shared);
        folded.catch_up(&path)?;
        Ok(look(&folded))
    }

    /// Adds the change that `decide` makes of the run as it is, while nobody else can change it.
    fn change<T>(
        &self,
        run: &RunId,
        decide: impl FnOnce(&Folded) -> Result<Decision<T>>,
        done: impl FnOnce(u64) -> T,
    ) -> Result<T> {
        let (path, shared) = self.shared(run)?;
        let mut folded = lock(&shared);
        let mut file = LineFile::lock(&path, Access::Private)?;
        folded.catch_up(&path)?;
        match decide(&folded)? {
            Decision::Leave(value) => Ok(value),
            Decision::Add(entry) => {
                let end = file.append(&entry.line()?)?;
                folded.take(entry, end);
                Ok(done(end))
            }
        }
    }

    /// Takes an offer of one run, if it has one for these repos.
    fn take_of(&self, run: &RunId, repos: &HashSet<&RepoName>) -> Result<Option<Taken>> {
        // Most looks find nothing: they need no lock.
        let any = |folded: &Folded| !folded.phase().0.is_closed() && folded.free_offer(repos).is_some();
        if !self.look(run, any)? {
            return Ok(None);
        }
        let by = Taker {
            id: crate::id::short()?,
            until: Timestamp::now().plus(self.redelivery),
            process: ProcessMark::of_this_process(),
        };
        let mut taken = None;
        let decide = |folded: &Folded| {
            Ok(match folded.free_offer(repos) {
                Some((place, offer)) => {
                    taken = Some(Taken { offer: offer.clone(), token: format!("{place} {}", by.id) });
                    Decision::Add(Entry::Taken { place, by: by.clone() })
                }
                None => Decision::Leave(()),
            })
        };
        self.change(run, decide, |_| ())?;
        Ok(taken)
    }

    /// Removes the oldest closed runs when there are too many. The caller holds the lock.
    fn forget(&self, index: &mut Vec<Known>) {
        let closed = index.iter().filter(|known| known.closed).count();
        if closed <= KEPT + SPARE {
            return;
        }
        let mut surplus = closed - KEPT;
        index.retain(|known| {
            let goes = known.closed && surplus > 0;
            if goes {
                surplus -= 1;
                // What cannot be removed costs only its place.
                let _ = std::fs::remove_file(self.path(&known.id));
                lock(&self.folded).remove(&known.id);
            }
            !goes
        });
    }
}

/// What a change makes of what is there.
enum Decision<T> {
    Add(Entry),
    Leave(T),
}

#[async_trait]
impl RunStore for LocalRuns {
    fn place(&self) -> String {
        format!("files below {}", self.root.display())
    }

    async fn create(&self, run: &Run) -> Result<Created> {
        let _alone = self.alone()?;
        let path = self.path(&run.id);
        if path.is_file() {
            return Ok(Created::Before);
        }
        run.check()?;
        let mut index = self.index()?;
        for known in
            index.iter_mut().filter(|known| !known.closed && known.env == run.env && known.id != run.id)
        {
            // Its creator died between the index and the log: it is not there.
            if !self.path(&known.id).is_file() {
                continue;
            }
            let taken = self.look(&known.id, |folded| {
                let taken = run.repos.iter().find(|repo| folded.has(&repo.repo));
                (folded.phase().0.is_closed(), taken)
            })?;
            match taken {
                (true, _) => known.closed = true,
                (false, Some(repo)) => return Err(busy(&repo.repo, &run.env, &known.id)),
                (false, None) => {}
            }
        }
        if !index.iter().any(|known| known.id == run.id) {
            index.push(Known { id: run.id.clone(), env: run.env.clone(), closed: false });
        }
        self.forget(&mut index);
        self.write_index(&index)?;
        file::write_new(&path, Entry::first(run)?.as_bytes(), Access::Private)?;
        Ok(Created::Now)
    }

    async fn recent(&self, limit: usize) -> Result<Vec<RunSummary>> {
        let mut runs = Vec::new();
        for Known { id, env, closed } in self.index()?.into_iter().rev() {
            if runs.len() == limit {
                break;
            }
            if !self.path(&id).is_file() {
                continue;
            }
            let phase = match closed {
                true => RunPhase::Closed,
                false => self.look(&id, |folded| folded.phase().0.clone())?,
            };
            runs.push(RunSummary { id, env, phase });
        }
        Ok(runs)
    }

    async fn unfinished(&self, env: &EnvName) -> Result<Unfinished> {
        let mut found = Unfinished::default();
        for Known { id, env: of, closed } in self.index()? {
            if closed || of != *env || !self.path(&id).is_file() {
                continue;
            }
            match self.look(&id, |folded| folded.phase().0.is_closed()) {
                Ok(true) => {}
                Ok(false) => found.runs.push(id),
                Err(error) => found.unreadable.push(error),
            }
        }
        Ok(found)
    }

    async fn load(&self, run: &RunId) -> Result<RunView> {
        self.look(run, Folded::view)?.ok_or_else(|| damaged(&self.path(run)))
    }

    async fn changes(&self, run: &RunId, since: Revision, wait: Duration) -> Result<Changes> {
        let until = Instant::now() + wait;
        loop {
            let changes = self.look(run, |folded| folded.changes(since))?;
            if changes.phase.is_some() || !changes.repos.is_empty() || Instant::now() >= until {
                return Ok(changes);
            }
            tokio::time::sleep(LOOK.min(until - Instant::now())).await;
        }
    }

    async fn phase(&self, run: &RunId, seen: Revision, wait: Duration) -> Result<(RunPhase, Revision)> {
        let until = Instant::now() + wait;
        loop {
            let (phase, revision) = self.look(run, |folded| folded.phase().clone())?;
            if revision != seen || Instant::now() >= until {
                return Ok((phase, revision));
            }
            tokio::time::sleep(LOOK.min(until - Instant::now())).await;
        }
    }

    async fn advance(
        &self,
        run: &RunId,
        repo: &RepoName,
        seen: Revision,
        state: &RepoState,
    ) -> Result<Revision> {
        let decide = |folded: &Folded| match folded.repo(repo) {
            None => Err(Error::not_found(format!("run {run} has no repo `{repo}`"))
                .hint(format!("see its repos with `cargo xtask infra:deploy:status {run}`"))),
            Some(known) if known.revision != seen => Err(outdated(run, repo.as_str())),
            Some(_) => Ok(Decision::Add(Entry::Repo { repo: repo.clone(), state: state.clone() })),
        };
        self.change(run, decide, Revision)
    }

    async fn mark(&self, run: &RunId, seen: Revision, phase: &RunPhase) -> Result<Revision> {
        let decide = |folded: &Folded| match folded.phase() {
            (_, revision) if *revision != seen => Err(outdated(run, "the run")),
            _ => Ok(Decision::Add(Entry::Phase(phase.clone()))),
        };
        let revision = self.change(run, decide, Revision)?;
        if phase.is_closed() {
            let _alone = self.alone()?;
            let mut index = self.index()?;
            index.iter_mut().filter(|known| known.id == *run).for_each(|known| known.closed = true);
            self.write_index(&index)?;
        }
        Ok(revision)
    }

    async fn offer(&self, offer: &Offer) -> Result<Offered> {
        let decide = |folded: &Folded| {
            Ok(match folded.was_offered(offer) {
                true => Decision::Leave(Offered::Before),
                false => Decision::Add(Entry::Offer(offer.clone())),
            })
        };
        self.change(&offer.run, decide, |_| Offered::Now)
    }

    async fn take(&self, env: &EnvName, repos: &[RepoName], wait: Duration) -> Result<Option<Taken>> {
        let until = Instant::now() + wait;
        let wanted: HashSet<&RepoName> = repos.iter().collect();
        let (mut open, mut as_of) = (Vec::new(), None);
        loop {
            let now = stamp(&self.root.join("index.json"));
            if as_of != Some(now) {
                open = self.index()?;
                open.retain(|known| !known.closed && known.env == *env);
                as_of = Some(now);
            }
            for Known { id, .. } in &open {
                // It may have been forgotten since.
                if !self.path(id).is_file() {
                    continue;
                }
                match self.take_of(id, &wanted) {
                    Ok(Some(taken)) => return Ok(Some(taken)),
                    Ok(None) => {}
                    // Whoever moves runs on tells of it: the repos of other runs do not wait for that.
                    Err(error) if error.kind() == ErrorKind::Invalid => {}
                    Err(error) => return Err(error),
                }
            }
            if Instant::now() >= until {
                return Ok(None);
            }
            tokio::time::sleep(LOOK.min(until - Instant::now())).await;
        }
    }

    async fn settle(&self, taken: &Taken) -> Result<()> {
        let known =
            taken.token.split_once(' ').and_then(|(place, id)| Some((place.parse::<u64>().ok()?, id)));
        let Some((place, id)) = known else { return Ok(()) };
        let decide = |folded: &Folded| {
            Ok(match folded.pending.get(&place) {
                Some(pending) if pending.is_with(id) => Decision::Add(Entry::Settled { place }),
                _ => Decision::Leave(()),
            })
        };
        self.change(&taken.offer.run, decide, |_| ())
    }
}

/// What tells one version of a replaced file from the next.
fn stamp(path: &Path) -> Option<(u64, std::time::SystemTime)> {
    let about = std::fs::metadata(path).ok()?;
    Some((about.len(), about.modified().ok()?))
}

fn damaged(path: &Path) -> Error {
    Error::invalid("the log of a run has no beginning")
        .with("path", path.display())
        .hint("restore the file from a backup, or move it away and start the deploy anew")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
