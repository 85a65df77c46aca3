//! Runs in NATS with agents and coordinators that are processes of their own, and die without a chance: what the tests and
//! `cargo xtask bench runs` try and measure.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use infra_sdk::names::{EnvName, RepoName};
use infra_sdk::nats::{Nats, NatsAssets, NatsRuns, Target};
use infra_sdk::runs::{Created, RepoState, Run, RunId, RunPhase, RunRepo, RunStore, RunView};
use infra_sdk::time::Timestamp;
use infra_sdk::{Env, config, events::EventStore};
use serde::Serialize;

use crate::{NatsServer, Scratch};

/// How many repos stand beside each other: each waits for the one this far before it.
const WIDE: usize = 20;
/// How long anything may take.
const LONGEST: Duration = Duration::from_secs(600);

/// NATS at an address, as `infra.toml` would name it.
pub fn nats(url: &str) -> Nats {
    let settings = config::Nats { url: Some(url.into()), ..config::Nats::default() };
    let env = Env::of([("HOME", "/nonexistent")], "/");
    Nats::new(Target::resolve(&env, &settings, "/".as_ref()).expect("a target"), "relay")
}

/// Makes the streams and buckets.
pub async fn bootstrap(url: &str) {
    let assets = NatsAssets::new(nats(url), &config::Nats::default());
    let plan = assets.plan_setup().await.expect("a plan");
    assets.set_up(&plan).await.expect("the assets");
}

/// The runs that all of it is about.
pub fn runs(url: &str) -> NatsRuns {
    NatsRuns::new(nats(url), &"acme".parse().expect("a name")).redelivery(Duration::from_secs(3))
}

/// The environment of all runs here.
pub fn staging() -> EnvName {
    "staging".parse().expect("a name")
}

/// The repos of a run, each after the one that stands [`WIDE`] before it.
pub fn repos(count: usize) -> Vec<RepoName> {
    (0..count).map(|at| format!("r{at}").parse().expect("a name")).collect()
}

/// A run over so many repos.
pub fn run_of(count: usize) -> Run {
    let all = repos(count);
    let repos = all.iter().enumerate().map(|(at, repo)| RunRepo {
        repo: repo.clone(),
        after: at.checked_sub(WIDE).map(|before| all[before].clone()).into_iter().collect(),
        task: "deploy".into(),
    });
    Run {
        id: RunId::new().expect("an id"),
        env: staging(),
        by: "ada".into(),
        created: Timestamp::now(),
        repos: repos.collect(),
        wait: None,
    }
}

/// A server, a folder that deploys write to, and the processes.
pub struct Relay {
    program: PathBuf,
    /// The server that all of them meet at.
    pub server: NatsServer,
    /// Where deploys write down that they ran.
    pub scratch: Scratch,
    lease: Duration,
}

/// A process that ends with its value.
pub struct Process(Child);

impl Process {
    /// Kills it without a chance.
    pub fn kill(mut self) {
        self.0.kill().expect("it is ours");
        self.0.wait().expect("it is ours");
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Option<bool> {
        self.0.try_wait().expect("it is ours").map(|status| status.success())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // What has ended already takes no signal.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Relay {
    /// A server with all that is needed; `program` is the `runner`.
    pub async fn start(program: impl Into<PathBuf>, lease: Duration) -> Self {
        let server = NatsServer::start();
        bootstrap(&server.url()).await;
        Relay { program: program.into(), server, scratch: Scratch::new("relay"), lease }
    }

    /// The runs, over a connection of their own.
    pub fn store(&self) -> Arc<dyn RunStore> {
        Arc::new(runs(&self.server.url()))
    }

    /// An agent that serves so many repos with so many slots, whose deploys take so long.
    pub fn agent(&self, repos: usize, slots: usize, takes: Duration) -> Process {
        let numbers = [repos, slots, usize::try_from(takes.as_millis()).unwrap_or_default()];
        let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        self.spawn("agent", &numbers)
    }

    /// A coordinator that follows a run to its end.
    pub fn coordinator(&self, run: &RunId) -> Process {
        self.spawn("follow", &[run.to_string()])
    }

    #[expect(clippy::disallowed_types, reason = "it must be met while it runs, and die without a chance")]
    fn spawn(&self, what: &str, more: &[String]) -> Process {
        let said = std::fs::OpenOptions::new().create(true).append(true).open(self.scratch.join("said"));
        let child = std::process::Command::new(&self.program)
            .arg(what)
            .arg(self.server.url())
            .arg(self.lease.as_millis().to_string())
            .arg(self.scratch.path())
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said.expect("the scratch folder is writable"))
            .spawn();
        Process(child.expect("the runner was built"))
    }

    /// What the processes complained of.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.scratch.join("said")).unwrap_or_default()
    }

    /// What the deploys of a run wrote down: `REPO WHAT ATTEMPT AGENT`.
    pub fn log(&self, run: &RunId) -> Vec<String> {
        let text = std::fs::read_to_string(self.scratch.join(format!("{run}.log"))).unwrap_or_default();
        text.lines().map(String::from).collect()
    }

    /// How many messages the server has taken in and given out so far.
    pub fn messages(&self) -> u64 {
        let told = self.server.monitor("/varz");
        told["in_msgs"].as_u64().unwrap_or_default() + told["out_msgs"].as_u64().unwrap_or_default()
    }
}

/// What must hold of what the deploys of a run wrote down, whatever died: a repo begins after all it waits for has ended,
/// and again only when the agent that had it was killed. Gives how often one did.
///
/// # Panics
/// When it does not hold.
pub fn check(run: &Run, log: &[String], killed: &BTreeSet<u32>) -> usize {
    let (mut ended, mut has, mut again) = (BTreeSet::new(), HashMap::new(), 0);
    for line in log {
        let words: Vec<&str> = line.split(' ').collect();
        let [repo, what, _, agent] = words.as_slice() else { panic!("{line:?} is no line of the log") };
        let agent: u32 = agent.parse().expect("the number of a process");
        let planned =
            run.repos.iter().find(|planned| planned.repo.as_str() == *repo).expect("a repo of the run");
        match *what {
            "start" => {
                let waits = planned.after.iter().all(|before| ended.contains(before.as_str()));
                assert!(waits, "{repo} began before what it waits for: {log:?}");
                if let Some(before) = has.insert(*repo, agent) {
                    assert!(
                        killed.contains(&before),
                        "{repo} began again although agent {before} lives: {log:?}"
                    );
                    again += 1;
                }
            }
            "end" => {
                assert_eq!(has.get(repo), Some(&agent), "{repo} was ended by another: {log:?}");
                ended.insert(*repo);
            }
            // It was told to stop, so it may begin again.
            "stopped" => drop(has.remove(repo)),
            other => panic!("{other}: {log:?}"),
        }
    }
    assert_eq!(ended.len(), run.repos.len(), "every repo is deployed: {log:?}");
    again
}

/// What must hold of a run that is over: all done, closed, and nothing left claimed.
///
/// # Panics
/// When it does not hold.
pub fn check_end(view: &RunView) {
    assert_eq!(view.phase, RunPhase::Closed);
    for repo in &view.repos {
        assert!(matches!(repo.state, RepoState::Done(_)), "{}: {:?}", repo.repo, repo.state);
    }
}

/// Many repos, many agents, nothing dies.
#[derive(Clone, Debug, Serialize)]
pub struct Throughput {
    /// How many repos.
    pub repos: usize,
    /// How many agents.
    pub agents: usize,
    /// Seconds from the first repo that was ready to the last one that was done.
    pub seconds: f64,
    /// Milliseconds from ready to started, the middle and the 95th of a hundred.
    pub p50: f64,
    /// As `p50`.
    pub p95: f64,
    /// The longest of them.
    pub longest: f64,
    /// Messages that the server took in and gave out, a repo.
    pub messages: f64,
}

/// Runs so many repos with so many agents, and hears with the ears of a third party when each is ready, started and done.
pub async fn throughput(relay: &Relay, repos: usize, agents: usize) -> Throughput {
    let store = relay.store();
    let agents: Vec<Process> = (0..agents).map(|_| relay.agent(repos, 1, Duration::ZERO)).collect();
    until("the agents are there", async || {
        store.leases("agents/").await.is_ok_and(|leases| leases.len() == agents.len())
    })
    .await;
    let client = async_nats::connect(relay.server.url()).await.expect("the server is there");
    let mut heard = client.subscribe("$KV.infra-runs.acme.run.*.repo.*").await.expect("it may listen");
    let before = relay.messages();
    let run = run_of(repos);
    assert_eq!(store.create(&run).await.expect("a run"), Created::Now);
    let mut coordinator = relay.coordinator(&run.id);
    let (mut ready, mut waits) = (HashMap::new(), Vec::new());
    let (mut first, mut last, mut done) = (None, Instant::now(), 0);
    while done < repos {
        let message = tokio::time::timeout(LONGEST, heard.next()).await.expect("in time").expect("a message");
        let (now, repo) = (Instant::now(), message.subject.to_string());
        let state: RepoState = serde_json::from_slice(&message.payload).expect("a state");
        match state {
            RepoState::Ready { .. } => {
                first.get_or_insert(now);
                ready.insert(repo, now);
            }
            // Several may try to claim it; the first one heard is the one that was in time.
            RepoState::Running(_) => {
                waits.extend(ready.remove(&repo).map(|since| (now - since).as_secs_f64() * 1e3));
            }
            RepoState::Done(_) => (last, done) = (now, done + 1),
            _ => {}
        }
    }
    until("the coordinator ends", async || coordinator.ended().is_some()).await;
    check_end(&store.load(&run.id).await.expect("the run"));
    check(&run, &relay.log(&run.id), &BTreeSet::new());
    waits.sort_by(f64::total_cmp);
    let at = |part: f64| waits[((waits.len() - 1) as f64 * part).round() as usize];
    Throughput {
        repos,
        agents: agents.len(),
        seconds: (last - first.unwrap_or(last)).as_secs_f64(),
        p50: at(0.5),
        p95: at(0.95),
        longest: at(1.0),
        messages: (relay.messages() - before) as f64 / repos as f64,
    }
}

/// How long it takes until others go on.
#[derive(Clone, Debug, Serialize)]
pub struct Takeover {
    /// The length of a lease, in seconds.
    pub lease: f64,
    /// From a coordinator's death to the next one's first word, in seconds.
    pub coordinator: f64,
    /// From an agent's death to its repo's next start, in seconds.
    pub agent: f64,
}

/// Kills a coordinator with another standing by, and an agent with work in its hands.
pub async fn takeover(relay: &Relay) -> Takeover {
    let store = relay.store();
    let run = run_of(1);
    assert_eq!(store.create(&run).await.expect("a run"), Created::Now);
    let holder = async || {
        let leases = store.leases("coordinator/").await.ok()?;
        leases.first().map(|lease| lease.id.clone())
    };
    let first = relay.coordinator(&run.id);
    until("a coordinator leads", async || holder().await.is_some()).await;
    let second = relay.coordinator(&run.id);
    let led = holder().await;
    first.kill();
    let killed = Instant::now();
    until("the other leads", async || holder().await.is_some_and(|now| Some(now) != led)).await;
    let coordinator = killed.elapsed().as_secs_f64();

    let attempts = |view: &RunView| match &view.repos[0].state {
        RepoState::Running(claim) => claim.attempt,
        _ => 0,
    };
    let agent = relay.agent(1, 1, LONGEST);
    until("it works", async || store.load(&run.id).await.is_ok_and(|view| attempts(&view) == 1)).await;
    agent.kill();
    let killed = Instant::now();
    let other = relay.agent(1, 1, Duration::ZERO);
    until("another works", async || {
        store.load(&run.id).await.is_ok_and(|view| attempts(&view) == 2 || view.is_over())
    })
    .await;
    let agent = killed.elapsed().as_secs_f64();
    until("the run is over", async || store.load(&run.id).await.is_ok_and(|view| view.phase.is_closed()))
        .await;
    drop((second, other));
    Takeover { lease: relay.lease.as_secs_f64(), coordinator, agent }
}

/// What came of killing.
#[derive(Clone, Debug, Serialize)]
pub struct Chaos {
    /// How many repos each run had.
    pub repos: usize,
    /// How many agents there were at a time.
    pub agents: usize,
    /// How many of what were killed.
    pub killed: BTreeMap<&'static str, usize>,
    /// How many runs it took until all that was killed.
    pub runs: usize,
    /// Deploys that were begun again, because their agent was killed before it could write down that they were done.
    pub again: usize,
    /// Seconds in all.
    pub seconds: f64,
}

/// The same numbers each time for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Kills coordinator, agents and the server, one after the other at random, and checks after each run that every repo was
/// deployed once and in order and that nothing is left claimed.
///
/// # Panics
/// When that does not hold.
pub async fn chaos(relay: &mut Relay, repos: usize, agents: usize, kills: usize, seed: u64) -> Chaos {
    let takes = Duration::from_millis(100);
    let (mut dice, begun) = (Dice(seed), Instant::now());
    let mut served: Vec<Process> = (0..agents).map(|_| relay.agent(repos, 1, takes)).collect();
    let mut chaos = Chaos { repos, agents, killed: BTreeMap::new(), runs: 0, again: 0, seconds: 0.0 };
    let (mut left, mut dead) = (kills, BTreeSet::new());
    while left > 0 || chaos.runs == 0 {
        let run = run_of(repos);
        let store = relay.store();
        until("the run is made", async || store.create(&run).await.is_ok()).await;
        chaos.runs += 1;
        let mut coordinator = relay.coordinator(&run.id);
        loop {
            tokio::time::sleep(Duration::from_millis(30 + dice.below(300))).await;
            if let Some(well) = coordinator.ended() {
                assert!(well, "{}", relay.said());
                break;
            }
            assert!(begun.elapsed() < LONGEST, "it takes too long: {}", relay.said());
            if left == 0 {
                continue;
            }
            left -= 1;
            let what = match dice.below(6) {
                0 => {
                    relay.server.restart();
                    "server"
                }
                1 => {
                    std::mem::replace(&mut coordinator, relay.coordinator(&run.id)).kill();
                    "coordinator"
                }
                _ => {
                    let which = dice.below(agents as u64) as usize;
                    let killed = std::mem::replace(&mut served[which], relay.agent(repos, 1, takes));
                    dead.insert(killed.id());
                    killed.kill();
                    "agent"
                }
            };
            *chaos.killed.entry(what).or_default() += 1;
        }
        check_end(&store.load(&run.id).await.expect("the run"));
        chaos.again += check(&run, &relay.log(&run.id), &dead);
        until("no coordinator is left", async || {
            store.leases("coordinator/").await.is_ok_and(|leases| leases.is_empty())
        })
        .await;
    }
    served.into_iter().for_each(Process::kill);
    let store = relay.store();
    until("nothing is left claimed", async || store.leases("").await.is_ok_and(|leases| leases.is_empty()))
        .await;
    chaos.seconds = begun.elapsed().as_secs_f64();
    chaos
}

/// Waits until something holds.
///
/// # Panics
/// When it does not come true.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}: did not come true");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
