//! An agent: serves the repos whose checkouts it has, claims what is offered, and writes down how it ended.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::{JoinError, JoinSet};

use crate::cancel::CancelToken;
use crate::error::Result;
use crate::names::{EnvName, RepoName};
use crate::runs::agents::{PREFIX, Service};
use crate::runs::claim::{Claimed, work_on};
use crate::runs::keep::{Kept, keep};
use crate::runs::patience::Patience;
use crate::runs::{LeaseRequest, RunId, RunStore, Taken};

/// How long one question for an offer waits.
const TAKE: Duration = Duration::from_secs(20);

/// What an agent serves, and how.
#[derive(Clone, Debug)]
pub struct AgentOptions {
    /// The environment it deploys into.
    pub env: EnvName,
    /// The repos it has checkouts of.
    pub serves: Vec<RepoName>,
    /// Its name, for people.
    pub name: String,
    /// How many repos it deploys at the same time.
    pub slots: usize,
    /// How long others wait for a sign of life before its work is given to another; at least a second.
    pub lease: Duration,
    /// Whether it ends after one repo.
    pub once: bool,
}

/// One repo to deploy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The run.
    pub run: RunId,
    /// The environment.
    pub env: EnvName,
    /// The repo.
    pub repo: RepoName,
    /// The task that deploys it.
    pub task: String,
    /// Which attempt it is, counted from 1.
    pub attempt: u32,
}

/// Who does the work of an agent.
#[async_trait]
pub trait Deployer: Send + Sync {
    /// The commit that is deployed, where that is known.
    async fn commit(&self, repo: &RepoName) -> Option<String>;

    /// Deploys one repo; when `stop` is cancelled it ends as soon as it can in good order, and fails.
    ///
    /// # Errors
    /// Why it is not deployed; masked, as it will be read by many.
    async fn deploy(&self, job: &Job, stop: &CancelToken) -> Result<()>;

    /// Something a person who looks at the agent should know.
    fn tell(&self, line: &str);

    /// A repo of a run changed, by this agent.
    async fn advanced(&self, job: &Job, state: &crate::runs::RepoState);
}

/// Serves until `cancel` is cancelled, or one repo was worked on if that is asked for. What is under way is then stopped
/// and given back, so that another agent can begin it anew. Gives the number of repos that were deployed.
///
/// # Errors
/// What the store fails with for longer than five minutes.
pub async fn serve(
    store: &Arc<dyn RunStore>,
    options: &AgentOptions,
    deployer: &Arc<dyn Deployer>,
    cancel: &CancelToken,
) -> Result<usize> {
    let mut deployed = 0;
    let mut patience = Patience::default();
    loop {
        // Each lease is another one: what was claimed under one that was lost is not this agent's any more.
        let shift = async {
            let request = LeaseRequest {
                name: format!("{PREFIX}{}", crate::id::short()?),
                holder: options.name.clone(),
                note: serde_json::to_string(&Service {
                    env: options.env.clone(),
                    repos: options.serves.clone(),
                })
                .unwrap_or_default(),
                length: options.lease,
            };
            let kept = keep(store, &request).await?;
            let shift = Shift { store, options, deployer, kept: Arc::new(kept) };
            shift.work(cancel, &mut deployed).await
        };
        match shift.await {
            Ok(End::Finished) => return Ok(deployed),
            Ok(End::Lost | End::Unknown) if cancel.is_cancelled() => return Ok(deployed),
            Ok(End::Lost) => {
                patience.restore();
                deployer
                    .tell("the lease of this agent ended, as the store of runs was away or the agent stood still; serving anew");
            }
            Ok(End::Unknown) => {
                patience.restore();
                deployer.tell("what this agent had claimed was given up, so that others can go on with it; serving anew");
            }
            Err(_) if cancel.is_cancelled() => return Ok(deployed),
            Err(error) => patience.bear(error, &|line| deployer.tell(line)).await?,
        }
    }
}

/// Why an agent stopped to serve under a lease.
enum End {
    /// It was told to, or has done what it was to do.
    Finished,
    /// Its lease is gone.
    Lost,
    /// Nobody knows how one of its jobs ended: the claim of that job is free once the lease is.
    Unknown,
}

/// The time of one lease.
struct Shift<'a> {
    store: &'a Arc<dyn RunStore>,
    options: &'a AgentOptions,
    deployer: &'a Arc<dyn Deployer>,
    kept: Arc<Kept>,
}

impl Shift<'_> {
    async fn work(self, cancel: &CancelToken, deployed: &mut usize) -> Result<End> {
        let mut jobs = JoinSet::new();
        let leaving = cancel.child();
        let ended = self.serve(&leaving, &mut jobs, deployed).await;
        // Whatever ended it: nothing goes on under this lease, and the lease goes last.
        leaving.cancel();
        while let Some(joined) = jobs.join_next().await {
            count(self.claimed(joined), deployed);
        }
        let Shift { kept, .. } = self;
        if let Ok(kept) = Arc::try_unwrap(kept) {
            kept.free().await;
        }
        ended
    }

    async fn serve(
        &self,
        cancel: &CancelToken,
        jobs: &mut JoinSet<Claimed>,
        deployed: &mut usize,
    ) -> Result<End> {
        let slots = if self.options.once { 1 } else { self.options.slots.max(1) };
        let mut patience = Patience::default();
        // Asked in one go, however often something else happens: an answer that nobody waits for would be lost.
        let ask = || self.store.take(&self.options.env, &self.options.serves, TAKE);
        let mut asked = None;
        loop {
            if jobs.len() < slots && asked.is_none() {
                asked = Some(ask());
            }
            let answer = async {
                match asked.as_mut() {
                    Some(asked) => asked.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.kept.lost().cancelled() => return Ok(End::Lost),
                () = cancel.cancelled() => return Ok(End::Finished),
                Some(joined) = jobs.join_next(), if !jobs.is_empty() => {
                    let claimed = self.claimed(joined);
                    count(claimed, deployed);
                    match claimed {
                        // While the lease is renewed, nobody else takes such a repo for one whose agent is gone.
                        Claimed::Unknown => return Ok(End::Unknown),
                        Claimed::Deployed | Claimed::Ended if self.options.once => return Ok(End::Finished),
                        Claimed::Deployed | Claimed::Ended | Claimed::Not => {}
                    }
                }
                answer = answer => {
                    asked = None;
                    match answer {
                        Ok(taken) => {
                            patience.restore();
                            if let Some(taken) = taken {
                                self.begin(taken, cancel, jobs);
                            }
                        }
                        Err(error) => patience.bear(error, &|line| self.deployer.tell(line)).await?,
                    }
                }
            }
        }
    }

    fn begin(&self, taken: Taken, cancel: &CancelToken, jobs: &mut JoinSet<Claimed>) {
        let (store, deployer) = (self.store.clone(), self.deployer.clone());
        let (agent, kept, cancel) = (self.options.name.clone(), self.kept.clone(), cancel.clone());
        jobs.spawn(async move {
            let claimed = work_on(&*store, &*deployer, &agent, &kept, &taken, &cancel).await;
            claimed.unwrap_or_else(|error| {
                deployer.tell(&format!("{}: {error}", taken.offer.repo));
                Claimed::Unknown
            })
        });
    }

    /// What came of a job, also of one that could not say so itself.
    fn claimed(&self, joined: std::result::Result<Claimed, JoinError>) -> Claimed {
        joined.unwrap_or_else(|error| {
            self.deployer.tell(&format!("a deploy of this agent broke off: {error}"));
            Claimed::Unknown
        })
    }
}

/// Counts what was deployed.
fn count(claimed: Claimed, deployed: &mut usize) {
    if claimed == Claimed::Deployed {
        *deployed += 1;
    }
}
