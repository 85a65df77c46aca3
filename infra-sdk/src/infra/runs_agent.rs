//! An agent of this machine: deploys a repo by running the task of its checkout, and shows its lines with the repo's name.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;

use crate::cancel::CancelToken;
use crate::env::{
    INFRA_ATTEMPT, INFRA_RUN, INFRA_RUN_GUARD, INFRA_RUN_MARK, INFRA_RUN_ORG, INFRA_RUN_SILENCE,
};
use crate::error::{Error, ErrorKind, Result};
use crate::infra::open::Infra;
use crate::infra::runs::{Follow, RunTeller};
use crate::infra::runs_attempt;
use crate::infra::runs_checkouts::Checkout;
use crate::ledger;
use crate::names::RepoName;
use crate::process::{Cmd, LineSink, Stream};
use crate::runs::{self, AgentOptions, Deployer, Job, RepoState, RunStore, Watcher};

/// How long a deploy may take to end once it is told to: it may have to go back to what served before.
pub(super) const GRACE: Duration = Duration::from_secs(600);

/// How often at least a deploy sees that its agent runs.
const BEAT: Duration = Duration::from_secs(1);

/// The task that deploys a repo of which the settings say nothing.
const DEPLOY: &str = "deploy";

/// What an agent serves, and how.
#[derive(Clone, Debug)]
pub struct Agent {
    /// The checkouts it has.
    pub checkouts: Vec<Checkout>,
    /// How many repos it deploys at the same time; at least one.
    pub slots: usize,
    /// Whether it ends after one repo.
    pub once: bool,
    /// How long others wait for a sign of life of it; `None`: 15 seconds.
    pub lease: Option<Duration>,
}

/// What an agent did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Served {
    /// The repos it served.
    pub repos: Vec<RepoName>,
    /// How many deploys it ended well.
    pub deployed: usize,
}

impl fmt::Display for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.deployed {
            1 => f.write_str("served: 1 deploy"),
            count => write!(f, "served: {count} deploys"),
        }
    }
}

impl Infra {
    /// Serves runs of this environment until the host is cancelled, or one repo was worked on if that is asked for. Also
    /// moves runs on that nobody else does.
    ///
    /// # Errors
    /// What the store fails with for longer than five minutes.
    pub async fn serve_runs(&self, agent: &Agent) -> Result<Served> {
        // Told to end, it ends its deploys in good order.
        self.host().needs_grace(GRACE);
        let cancel = self.host().cancel.clone();
        let repos: Vec<RepoName> = agent.checkouts.iter().map(|checkout| checkout.repo.clone()).collect();
        let follow = self.follow_options(&Follow { lease: agent.lease, ..Follow::default() });
        let options = AgentOptions {
            env: self.environment().clone(),
            serves: repos.clone(),
            name: format!("{}@{}", ledger::actor(self.env()), machine(self.env())),
            slots: agent.slots,
            lease: follow.lease,
            once: agent.once,
        };
        let store = self.ports().runs.clone();
        let deployer: Arc<dyn Deployer> =
            Arc::new(Checkouts::new(self.clone(), &agent.checkouts, options.lease));
        let watcher: Arc<dyn Watcher> =
            Arc::new(RunTeller { infra: self.clone(), on_change: Arc::new(|_| {}) });
        let ending = cancel.child();
        let serving = async {
            let served = runs::serve(&store, &options, &deployer, &cancel).await;
            ending.cancel();
            served
        };
        let (deployed, ()) =
            tokio::join!(serving, steward(agent, &store, &options, &follow, &watcher, &ending));
        Ok(Served { repos, deployed: deployed? })
    }
}

/// Moves on what nobody else does; an agent for one repo alone does not stay for that.
async fn steward(
    agent: &Agent,
    store: &Arc<dyn RunStore>,
    options: &AgentOptions,
    follow: &runs::FollowOptions,
    watcher: &Arc<dyn Watcher>,
    ending: &CancelToken,
) {
    if !agent.once {
        runs::steward(store, &options.env, follow, watcher, ending).await;
    }
}

/// What people call this machine.
fn machine(env: &crate::env::Env) -> String {
    #[cfg(unix)]
    let name = {
        let _ = env;
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    };
    #[cfg(not(unix))]
    let name = env.get("COMPUTERNAME").unwrap_or("this machine").to_owned();
    let name: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
    format!("{name}/{}", std::process::id())
}

/// The checkouts of an agent, and how they are deployed.
struct Checkouts {
    infra: Infra,
    folders: BTreeMap<RepoName, PathBuf>,
    /// The longest name, for lines that stand below each other.
    width: usize,
    /// How long this agent may show no life.
    lease: Duration,
}

impl Checkouts {
    fn new(infra: Infra, checkouts: &[Checkout], lease: Duration) -> Self {
        let folders: BTreeMap<RepoName, PathBuf> =
            checkouts.iter().map(|checkout| (checkout.repo.clone(), checkout.folder.clone())).collect();
        let width = folders.keys().map(|name| name.as_str().len()).max().unwrap_or(0);
        Checkouts { infra, folders, width, lease }
    }

    fn folder(&self, repo: &RepoName) -> Result<&PathBuf> {
        self.folders.get(repo).ok_or_else(|| {
            Error::new(ErrorKind::Bug, format!("an agent was given `{repo}`, which it does not serve"))
                .hint("please report this")
        })
    }

    /// Whether the commit is all of what a checkout deploys.
    async fn is_clean(&self, folder: &Path) -> bool {
        let git = Cmd::new("git").args(["status", "--porcelain"]).dir(folder).quiet();
        git.deadline(Duration::from_secs(10)).read().await.is_ok_and(|changes| changes.is_empty())
    }

    /// Refuses what this agent would not do by itself: whoever may write offers writes what they ask for.
    fn require_own_task(&self, job: &Job) -> Result<()> {
        let own = self.infra.settings().repos.get(&job.repo).map_or(DEPLOY, |repo| &repo.task);
        if job.task == own {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Denied, "the run asks for another task than this repo is deployed by here")
            .with("asked", &job.task)
            .with("here", own)
            .hint("let the agent and whoever starts runs have the same `[repos]`, such as by one file that both extend"))
    }

    /// The file that each attempt at a repo locks while it runs: one that lost its agent may still be ending.
    fn guard(&self, job: &Job) -> PathBuf {
        self.infra.home().runs().join("attempts").join(format!("{}.{}.lock", job.env, job.repo))
    }
}

#[async_trait]
impl Deployer for Checkouts {
    async fn commit(&self, repo: &RepoName) -> Option<String> {
        let folder = self.folder(repo).ok()?;
        let git = Cmd::new("git").args(["rev-parse", "--verify", "HEAD"]).dir(folder).quiet();
        git.deadline(Duration::from_secs(10)).read().await.ok()
    }

    async fn deploy(&self, job: &Job, stop: &CancelToken) -> Result<()> {
        self.require_own_task(job)?;
        let folder = self.folder(&job.repo)?;
        let host = self.infra.host();
        let lines = Arc::new(Named {
            name: format!("{:<width$} │", job.repo, width = self.width),
            to: host.lines.clone(),
        });
        let confirmed = self.infra.settings().repos.get(&job.repo).map_or(&[][..], |repo| &repo.yes);
        let guard = self.guard(job);
        let commit = match self.is_clean(folder).await {
            true => self.commit(&job.repo).await,
            false => None,
        };
        let mark = runs_attempt::mark(job, commit.as_deref());
        let mut command = Cmd::new("cargo")
            .args(["xtask", &job.task, "--env", job.env.as_str()])
            .arg(format!("--yes={}", job.task))
            .args(confirmed.iter().map(|task| format!("--yes={task}")))
            .args(["--confirm-env", job.env.as_str()])
            .dir(folder)
            .env(INFRA_RUN, job.run.as_str())
            .env(INFRA_ATTEMPT, job.attempt.to_string())
            .env(INFRA_RUN_GUARD, &guard)
            .env(INFRA_RUN_MARK, &mark)
            .env(INFRA_RUN_ORG, self.infra.settings().project.org.as_str())
            .env(INFRA_RUN_SILENCE, self.lease.as_millis().to_string())
            .beating_stdin((self.lease / 10).min(BEAT))
            .sink(lines)
            .masks(host.masks.clone())
            .cancel(stop.clone())
            .grace(GRACE);
        if folder.as_path() != self.infra.config().root() {
            // Set by the rustup that started this program: another checkout chooses its own.
            command = command.env_remove("RUSTUP_TOOLCHAIN");
        }
        let ended = command.run().await;
        let Err(mut error) = ended else { return Ok(()) };
        // Killed alone, it could not end what it had started.
        if let Err(left) = runs_attempt::end_left(&guard, Some(&mark)).await {
            error = error.hint(format!("end by hand what it had started: {left}"));
        }
        // Denied, or not confirmed: in a run nobody is asked, and `--yes` is said by the settings alone.
        Err(match error.exit_code() {
            Some(3) => error.hint(format!(
                "where it says that tasks have to be confirmed, name them in infra.toml: `yes = [\"…\"]` under `[repos.{}]`",
                job.repo
            )),
            _ => error,
        })
    }

    fn tell(&self, line: &str) {
        self.infra.host().tell(line);
    }

    async fn advanced(&self, job: &Job, state: &RepoState) {
        let Job { run, repo, attempt, .. } = job;
        self.tell(&match state {
            RepoState::Running(_) => format!("{repo}: attempt {attempt} of run {run} begins"),
            RepoState::Ready { .. } => format!("{repo}: given back to run {run}"),
            state => format!("{repo}: {state}"),
        });
        self.infra.tell_step(run, repo, state).await;
    }
}

/// Lines with a name in front.
struct Named {
    name: String,
    to: Arc<dyn LineSink>,
}

impl LineSink for Named {
    fn line(&self, stream: Stream, line: &str) {
        self.to.line(stream, &format!("{} {line}", self.name));
    }
}
