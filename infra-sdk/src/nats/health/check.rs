//! The eight probes in order, each left out when what it rests on failed.

use std::time::{Duration, Instant};

use async_nats::Client;
use async_trait::async_trait;

use crate::error::Result;
use crate::health::{Health, HealthCheck, Probe, Skipped, State};
use crate::nats::Nats;
use crate::nats::assets::Wishes;
use crate::nats::health::ask::Ask;
use crate::nats::health::assets::Assets;
use crate::nats::health::monitor::Monitor;
use crate::nats::health::rehearsal::Speaker;
use crate::nats::health::spec::HealthSpec;
use crate::nats::health::{assets, canary, connect, credential, jetstream, quorum, server, target};

/// How many round trips the canary takes at most, and how many the probes beside it: a server that is far away is no dead one.
const TRIPS_OF_CANARY: u32 = 16;
const TRIPS: u32 = 6;
/// The longest round trip that is waited for.
const FARTHEST: Duration = Duration::from_secs(1);

/// What a check of NATS found.
pub type NatsHealth = Health;

/// Probes NATS: the settings, the credentials, the connection, the server, JetStream, a canary that is written and read
/// back, the majority of the cluster, and the streams and buckets that this crate keeps.
///
/// The canary is a key `ORG.health.…` in the bucket of runs that ends by itself within a minute, or, where there is no such
/// bucket, a stream in memory that is removed at once. Nothing else is written.
///
/// ```no_run
/// use infra_sdk::nats::{HealthSpec, Nats, health};
/// # async fn look(nats: &Nats) -> infra_sdk::Result<()> {
/// let health = health(nats, &HealthSpec::default()).await?;
/// println!("{health}");
/// health.require()
/// # }
/// ```
///
/// # Errors
/// `Invalid` for a `monitor` that is no address. A server that is down is a report, and no error.
pub async fn health(nats: &Nats, spec: &HealthSpec) -> Result<NatsHealth> {
    let monitor = spec.monitor.as_deref().map(Monitor::at).transpose()?;
    let mut run = Run {
        nats,
        spec,
        health: Health::new("NATS", nats.target().address()),
        until: Instant::now() + spec.budget,
        distance: Duration::ZERO,
    };
    run.all(monitor.as_ref()).await;
    Ok(run.health)
}

/// NATS as something that can be asked whether it is well.
#[derive(Clone, Debug)]
pub struct NatsCheck {
    nats: Nats,
    spec: HealthSpec,
}

impl NatsCheck {
    /// Checks `nats` as `spec` says, but for the planned run, which each check is told.
    pub fn new(nats: Nats, spec: HealthSpec) -> Self {
        NatsCheck { nats, spec }
    }
}

#[async_trait]
impl HealthCheck for NatsCheck {
    async fn check(&self, planned: Duration) -> Result<Health> {
        health(&self.nats, &HealthSpec { planned, ..self.spec.clone() }).await
    }
}

struct Run<'a> {
    nats: &'a Nats,
    spec: &'a HealthSpec,
    health: Health,
    /// When the budget is used up.
    until: Instant,
    /// How long a message goes to the server and back.
    distance: Duration,
}

impl Run<'_> {
    async fn all(&mut self, monitor: Option<&Monitor>) {
        self.note(Instant::now(), target::probe(self.nats.target()));
        self.note(Instant::now(), credential::probe(self.nats.target(), self.spec.planned));
        let nats = self.nats;
        let began = Instant::now();
        let (probe, client) = connect::probe(nats, self.until).await;
        self.note(began, probe);
        let Some(client) = client else {
            self.skip(&["server", "jetstream", "canary"], "connect");
            return self.without_server(monitor).await;
        };
        let ask = Ask { nats, client, until: self.until, budget: self.spec.budget };
        let began = Instant::now();
        let server::Met { probe, cluster: clustered, round_trip } = server::probe(ask).await;
        self.distance = round_trip.min(FARTHEST);
        self.until += self.distance * TRIPS;
        let ask = ask.until(self.until, self.spec.budget + self.distance * TRIPS);
        if !self.note(began, probe) {
            self.skip(&["jetstream", "canary"], "server");
            return self.without_server(monitor).await;
        }
        let began = Instant::now();
        let (probe, account) = jetstream::probe(ask).await;
        let works = self.note(began, probe);
        let began = Instant::now();
        let wishes = Wishes { replicas: self.spec.replicas, ledger: self.spec.ledger };
        let copies = matches!(clustered, Ok(Some(_)));
        let assets = if works { Some(Assets::look(ask, wishes, copies).await) } else { None };
        let looked = began.elapsed();
        self.canary(client, assets.as_ref()).await;
        // What the canary took is not the others' time.
        let ask = ask.until(self.until, ask.budget);
        let began = Instant::now();
        let probe = quorum::probe(ask, monitor, assets.as_ref(), clustered != Ok(None)).await;
        self.note(began, probe);
        match &assets {
            Some(assets) => {
                let probe = assets::probe(assets, account.as_ref());
                self.health.probes.push(probe.took(looked));
            }
            None => self.skip(&["assets"], "jetstream"),
        }
    }

    async fn canary(&mut self, client: &Client, assets: Option<&Assets>) {
        let Some(assets) = assets else { return self.skip(&["canary"], "jetstream") };
        let began = Instant::now();
        let budget = self.spec.canary + self.distance * TRIPS_OF_CANARY;
        let ask = Ask { nats: self.nats, client, until: began + budget, budget };
        let speaker = self.spec.source.as_ref().map(|source| Speaker { source, ledger: self.spec.ledger });
        let probe = canary::probe(ask, assets.has_runs(), speaker).await;
        self.note(began, probe);
        self.until += began.elapsed();
    }

    /// What can be said where no server, or none that is new enough, lets us in.
    async fn without_server(&mut self, monitor: Option<&Monitor>) {
        match monitor {
            Some(monitor) => {
                let began = Instant::now();
                let probe = quorum::monitored(monitor, self.until).await;
                self.note(began, probe);
            }
            None => self.skip(&["quorum"], "connect"),
        }
        self.skip(&["assets"], "jetstream");
    }

    /// Keeps a probe that began then; whether those that rest on it can be made.
    fn note(&mut self, began: Instant, probe: Probe) -> bool {
        let works = probe.state <= State::Degraded;
        self.health.probes.push(probe.took(began.elapsed()));
        works
    }

    fn skip(&mut self, names: &[&'static str], rests_on: &str) {
        for name in names {
            self.health.skipped.push(Skipped { name, because: format!("it rests on {rests_on}") });
        }
    }
}
