//! Whether a repo can do with Cloudflare what it needs to: token, accounts, permissions, and each thing it names.

use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::cloudflare::client::Cloudflare;
use crate::cloudflare::health_needs::CloudflareNeeds;
use crate::cloudflare::health_probes as probes;
use crate::cloudflare::health_workers::workers;
use crate::error::Result;
use crate::health::{Health, HealthCheck, Probe, Skipped, State};

/// The longest wait that Cloudflare may ask for within a check.
const LITTLE: Duration = Duration::from_secs(2);

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(3);
/// How long all of it may take.
const BUDGET: Duration = Duration::from_secs(10);

/// Asks Cloudflare what a repo needs to know before it begins, by reading alone.
///
/// Probes, in order: `token`, `account`, `permissions`, and `zones`, `r2` and `workers` where something of the kind is needed.
/// A wait that Cloudflare asks for is told, and not made.
///
/// ```no_run
/// # async fn example() -> infra_sdk::Result<()> {
/// use std::time::Duration;
/// use infra_sdk::cloudflare::{Cloudflare, CloudflareHealth, CloudflareNeeds};
/// use infra_sdk::{Env, health::HealthCheck};
/// let needs = CloudflareNeeds { zones: vec!["example.com".into()], ..CloudflareNeeds::default() };
/// let health = CloudflareHealth::new(Cloudflare::new(&Env::of_process()?)?, needs);
/// health.check(Duration::from_secs(1800)).await?.require()
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct CloudflareHealth {
    cloudflare: Cloudflare,
    needs: CloudflareNeeds,
}

impl CloudflareHealth {
    /// For a repo that needs `needs`.
    pub fn new(cloudflare: Cloudflare, needs: CloudflareNeeds) -> Self {
        // One answer that is missing is no reason to hold up a deploy.
        CloudflareHealth { cloudflare: cloudflare.with_time_limit(REQUEST).reading_again(LITTLE), needs }
    }
}

#[async_trait]
impl HealthCheck for CloudflareHealth {
    async fn check(&self, planned: Duration) -> Result<Health> {
        let (cloudflare, needs) = (&self.cloudflare, &self.needs);
        let mut run = Run {
            health: Health::new("Cloudflare", cloudflare.authority()),
            end: Instant::now() + BUDGET,
            over: None,
        };
        let token = probes::token(cloudflare, needs, planned);
        let status = run.probe("token", token).await.flatten();
        if !run.stands("token") {
            run.over = Some("the token cannot be used".into());
        }
        let own = run.probe("account", probes::accounts(cloudflare, needs)).await.flatten();
        let own = own.as_deref();
        let permissions = async {
            match &status {
                Some(status) => (probes::permissions(cloudflare, needs, status, own).await, ()),
                None => (Probe::new("permissions", State::Failed, "there is no token"), ()),
            }
        };
        run.probe("permissions", permissions).await;
        if !needs.zones.is_empty() {
            run.probe("zones", async { (probes::zones(cloudflare, &needs.zones).await, ()) }).await;
        }
        if !needs.buckets.is_empty() {
            run.probe("r2", async { (probes::buckets(cloudflare, &needs.buckets).await, ()) }).await;
        }
        if !needs.workers.is_empty() {
            run.probe("workers", async { (workers(cloudflare, &needs.workers, own).await, ()) }).await;
        }
        Ok(run.health)
    }
}

/// A report that is being made.
struct Run {
    health: Health,
    end: Instant,
    /// Why nothing more is asked.
    over: Option<String>,
}

impl Run {
    /// Makes a probe, if there is reason and time to; gives what it found out besides.
    async fn probe<T>(&mut self, name: &'static str, ask: impl Future<Output = (Probe, T)>) -> Option<T> {
        if let Some(because) = &self.over {
            self.health.skipped.push(Skipped { name, because: because.clone() });
            return None;
        }
        let begin = Instant::now();
        match tokio::time::timeout_at(self.end, ask).await {
            Ok((probe, found)) => {
                self.health.probes.push(probe.took(begin.elapsed()));
                Some(found)
            }
            Err(_) => {
                let saw =
                    format!("Cloudflare did not answer within the {} s of this check", BUDGET.as_secs());
                let probe = Probe::new(name, State::Failed, saw)
                    .hint("try again, or look at https://www.cloudflarestatus.com");
                self.health.probes.push(probe.took(begin.elapsed()));
                self.over = Some("the time for this check is over".into());
                None
            }
        }
    }

    fn stands(&self, name: &str) -> bool {
        self.health.probe(name).is_some_and(|probe| probe.state <= State::Degraded)
    }
}
