//! Runs in NATS, for agents and coordinators anywhere.

use std::time::Duration;

use async_trait::async_trait;

use crate::error::{Error, Result};
use crate::names::{EnvName, OrgName, RepoName, quoted};
use crate::nats::Nats;
use crate::nats::runs::bucket::{Entry, Write, Wrote};
use crate::nats::runs::keys::Keys;
use crate::nats::runs::link::Link;
use crate::nats::runs::records::Phase;
use crate::runs::{
    Changes, Created, Offer, Offered, RepoState, Revision, Run, RunId, RunPhase, RunStore, RunSummary,
    RunView, Taken, Unfinished, no_run, outdated,
};

const ADVANCE: &str = "change the state of a repo";
const MARK: &str = "change the phase of a run";

/// The runs of an organisation in the bucket `infra-runs` and the work queue `INFRA_WORK`, which
/// `infra:nats:bootstrap` makes. Cheap to clone; all clones share the connection.
///
/// A revision is a place in the bucket's stream, so it grows with every change of any run. Every write names the revision it
/// saw, and is sent again under the same id when its answer is lost: it counts once. Reads go to the leader, or are
/// compared with how far the leader is. Leases are keys with a time to live that each renewal says anew. An offer is given
/// by one consumer a repo and environment, which is made when it is first needed and forgotten when nobody asks it;
/// waiting is hearing what is being written.
///
/// What a user needs is what [`Permissions`](crate::events::Permissions) say with
/// [`Access::Deploys`](crate::events::Access::Deploys); without the purging among it, old runs are not forgotten.
#[derive(Clone, Debug)]
pub struct NatsRuns {
    nats: Nats,
    keys: Keys,
    redelivery: Duration,
}

impl NatsRuns {
    /// The runs of `org`. Nothing is asked yet.
    pub fn new(nats: Nats, org: &OrgName) -> Self {
        NatsRuns { nats, keys: Keys::of(org), redelivery: Duration::from_secs(30) }
    }

    /// After how long an offer that was taken and not settled is given again; 30 seconds at first. The one who first
    /// asks for the offers of a repo says it for all.
    #[must_use]
    pub fn redelivery(self, redelivery: Duration) -> Self {
        NatsRuns { redelivery, ..self }
    }

    pub(super) fn given_again(&self) -> Duration {
        self.redelivery
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    pub(super) async fn link(&self) -> Result<Link> {
        Link::open(&self.nats).await
    }
}

#[async_trait]
impl RunStore for NatsRuns {
    fn place(&self) -> String {
        format!("NATS at {}", self.nats.target().address())
    }

    async fn create(&self, run: &Run) -> Result<Created> {
        self.made(run).await
    }

    async fn recent(&self, limit: usize) -> Result<Vec<RunSummary>> {
        self.newest(limit).await
    }

    async fn unfinished(&self, env: &EnvName) -> Result<Unfinished> {
        self.open_in(env).await
    }

    async fn load(&self, run: &RunId) -> Result<RunView> {
        self.whole(run).await
    }

    async fn changes(&self, run: &RunId, since: Revision, wait: Duration) -> Result<Changes> {
        self.followed(run, since, wait).await
    }

    async fn phase(&self, run: &RunId, seen: Revision, wait: Duration) -> Result<(RunPhase, Revision)> {
        self.phase_after(run, seen, wait).await
    }

    async fn advance(
        &self,
        run: &RunId,
        repo: &RepoName,
        seen: Revision,
        state: &RepoState,
    ) -> Result<Revision> {
        let link = self.link().await?;
        let key = self.keys.repo(run, repo);
        // Nothing was ever seen at 0: it would make a repo that the run does not have.
        if seen != Revision(0)
            && let Wrote::At(revision) = link.write(ADVANCE, Write::new(&key, state, seen.0)?).await?
        {
            return Ok(Revision(revision));
        }
        if link.get(ADVANCE, &key).await?.is_some_and(|entry| entry.is_there()) {
            return Err(outdated(run, repo.as_str()));
        }
        self.phase_now(run).await?;
        Err(Error::not_found(format!("{} is no repo of run {run}", quoted(repo.as_str())))
            .hint(format!("see its repos with `cargo xtask infra:deploy:status {run}`")))
    }

    async fn mark(&self, run: &RunId, seen: Revision, phase: &RunPhase) -> Result<Revision> {
        let link = self.link().await?;
        let key = self.keys.phase(run);
        let known = link.get(MARK, &key).await?.filter(Entry::is_there).ok_or_else(|| no_run(run))?;
        let before: Phase = known.read()?;
        if before.given_up {
            return Err(no_run(run));
        }
        if known.revision == seen.0 {
            let after = Phase { phase: phase.clone(), ..before };
            if let Wrote::At(revision) = link.write(MARK, Write::new(&key, &after, seen.0)?).await? {
                return Ok(Revision(revision));
            }
        }
        Err(outdated(run, "the phase"))
    }

    async fn offer(&self, offer: &Offer) -> Result<Offered> {
        self.queue(offer).await
    }

    async fn take(&self, env: &EnvName, repos: &[RepoName], wait: Duration) -> Result<Option<Taken>> {
        self.dequeue(env, repos, wait).await
    }

    async fn settle(&self, taken: &Taken) -> Result<()> {
        self.acknowledge(taken).await
    }
}
