//! Whether this repo can use Cloudflare, and making what it keeps there.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::{StateKind, StoreKind, Target};
use crate::error::{Error, ErrorKind, Result};
use crate::health::{Health, Probe, Skipped, State};
use crate::infra::open::Infra;
use crate::infra::providers;
use crate::state::{SetupPlan, StateSetup};

/// How long a look at the objects of state may take.
const OBJECTS: Duration = Duration::from_secs(5);

impl Infra {
    /// Whether this environment has something at Cloudflare: zones, Terraform state, secrets of a Worker, or what it deploys.
    ///
    /// # Errors
    /// `Invalid` for targets of secrets that cannot be meant.
    pub fn uses_cloudflare(&self) -> Result<bool> {
        for label in self.sync_targets()?.into_keys() {
            if self.store_named(&label)?.kind == StoreKind::Worker {
                return Ok(true);
            }
        }
        Ok(self.settings().deploy.target == Target::Worker
            || !self.config().section()?.zones.is_empty()
            || self.keeps_state_in_r2()?)
    }

    /// Asks Cloudflare whether this environment can use it, for a run that takes about `planned`: the token, its accounts
    /// and permissions, and the zones, buckets and Workers that infra.toml names. It reads only, within 15 seconds.
    ///
    /// # Errors
    /// `NotBuilt` without the feature `cloudflare`; `Invalid` for an address or a token that cannot be one. What Cloudflare
    /// refuses, and what is missing, stands in the report.
    pub async fn check_cloudflare(&self, planned: Duration) -> Result<Health> {
        let mut health = match providers::cloudflare_health(self) {
            Ok(check) => check.check(planned).await?,
            Err(error) if error.kind() == ErrorKind::Denied => {
                let mut health = Health::new("Cloudflare", "no address");
                let probe = Probe::new("token", State::Failed, error.to_string());
                health.probes.push(error.hints().iter().fold(probe, |probe, hint| probe.hint(hint)));
                health
            }
            Err(error) => return Err(error),
        };
        if self.keeps_state_in_r2()? {
            self.look_at_objects(&mut health).await;
        }
        Ok(health)
    }

    /// What this environment lacks at Cloudflare: the bucket of its state, which `infra:state:setup` makes the same way.
    /// Changes nothing.
    ///
    /// # Errors
    /// `Invalid` when it keeps nothing there; otherwise as [`plan_state_setup`](Infra::plan_state_setup).
    pub async fn plan_cloudflare_setup(&self) -> Result<SetupPlan> {
        if !self.keeps_state_in_r2()? {
            return Err(Error::invalid("this environment keeps nothing at Cloudflare that could be made")
                .with("environment", self.environment())
                .hint(
                    "to keep Terraform state there, write `state = { backend = \"r2\", bucket = \"…\", account = \"…\" }` \
                     into the environment in infra.toml",
                ));
        }
        self.plan_state_setup().await
    }

    /// Does what the plan says, then finds out whether the bucket can lock, and where it came to lie.
    ///
    /// # Errors
    /// As [`set_up_state`](Infra::set_up_state).
    pub async fn set_up_cloudflare(&self, plan: SetupPlan) -> Result<StateSetup> {
        let makes = !plan.steps.is_empty();
        let mut setup = self.set_up_state(plan).await?;
        if makes {
            // R2 takes a location as a hint. All is done: that it cannot be seen just now is no failure.
            if let Ok(seen) = self.plan_state_setup().await {
                setup.done.place = seen.place;
            }
        }
        Ok(setup)
    }

    fn keeps_state_in_r2(&self) -> Result<bool> {
        let state = self.config().section()?.state.as_ref();
        Ok(state.is_some_and(|state| state.backend == StateKind::R2))
    }

    /// Objects are reached over another protocol, with other keys than the bucket itself.
    async fn look_at_objects(&self, health: &mut Health) {
        const NAME: &str = "objects";
        let stops = |name: &str| {
            let probe = health.probe(name).filter(|probe| probe.state == State::Failed);
            probe.map(|probe| format!("{name}: {}", probe.saw))
        };
        // Keys that were made for R2 need no token.
        let token = stops("token").filter(|_| !providers::has_r2_keys(self.env()));
        if let Some(because) = token.or_else(|| stops("r2")) {
            health.skipped.push(Skipped { name: NAME, because });
            return;
        }
        let begin = Instant::now();
        let looked =
            tokio::time::timeout(OBJECTS, self.ports().state.list(&self.settings().project.org)).await;
        let probe = match looked {
            Ok(Ok(states)) => Probe::new(NAME, State::Ok, format!("{} states can be read", states.len())),
            Ok(Err(error)) => {
                let state =
                    if error.kind() == ErrorKind::Denied { State::NotPermitted } else { State::Failed };
                let probe = Probe::new(NAME, state, error.to_string());
                error.hints().iter().fold(probe, |probe, hint| probe.hint(hint))
            }
            Err(_) => Probe::new(NAME, State::Failed, format!("no answer within {} s", OBJECTS.as_secs()))
                .hint("try again, or look at https://www.cloudflarestatus.com"),
        };
        let reads = probe.state == State::Ok;
        health.probes.push(probe.took(begin.elapsed()));
        // A token for the objects of one bucket may use it, and not look at it.
        let r2 = health.probes.iter_mut().find(|probe| probe.name == "r2");
        if let Some(r2) = r2.filter(|r2| reads && r2.state == State::NotPermitted) {
            r2.needed = false;
        }
    }
}
