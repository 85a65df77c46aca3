//! What of Cloudflare an environment uses, where its feature is compiled in.

use crate::env::{Env, R2_ACCESS_KEY_ID, R2_SECRET_ACCESS_KEY};
use crate::error::Result;
use crate::health::HealthCheck;
use crate::infra::open::Infra;

/// Whether a pair of keys for R2, or a half of one, stands in the environment.
pub(in crate::infra) fn has_r2_keys(env: &Env) -> bool {
    [R2_ACCESS_KEY_ID, R2_SECRET_ACCESS_KEY].iter().any(|variable| env.get(variable).is_some())
}

/// Whoever tells whether this repo can use Cloudflare in this environment.
///
/// # Errors
/// `Denied` without a token; `Invalid` for an address or a token that cannot be one; `NotBuilt`.
#[cfg(feature = "cloudflare")]
pub(in crate::infra) fn health(infra: &Infra) -> Result<Box<dyn HealthCheck>> {
    use crate::cloudflare::{Cloudflare, CloudflareHealth};
    let needs = needs(infra)?;
    Ok(Box::new(CloudflareHealth::new(Cloudflare::new(infra.env())?, needs)))
}

#[cfg(not(feature = "cloudflare"))]
pub(in crate::infra) fn health(infra: &Infra) -> Result<Box<dyn HealthCheck>> {
    Err(crate::infra::absent::Absent::new("Cloudflare", "cloudflare", infra.environment()).error())
}

/// What infra.toml names of Cloudflare.
#[cfg(feature = "cloudflare")]
fn needs(infra: &Infra) -> Result<crate::cloudflare::CloudflareNeeds> {
    use crate::cloudflare::{BucketNeed, CloudflareNeeds, WorkerNeed, WorkerPlace};
    use crate::config::{StateKind, StoreKind, Target};

    let section = infra.config().section()?;
    let mut needs = CloudflareNeeds { zones: section.zones.clone(), ..CloudflareNeeds::default() };
    if let Some(state) = section.state.as_ref().filter(|state| state.backend == StateKind::R2) {
        let place = state.account.clone().zip(state.bucket.clone());
        needs.buckets.extend(place.map(|(account, name)| BucketNeed {
            account,
            name,
            jurisdiction: state.jurisdiction,
            location: state.location,
            why: "Terraform state".into(),
            by_token: !has_r2_keys(infra.env()),
        }));
    }
    for label in infra.sync_targets()?.into_keys() {
        let store = infra.store_named(&label)?;
        if store.kind == StoreKind::Worker {
            let (account, script) = (store.account, store.script.unwrap_or_default());
            let why = format!("the store `{label}`");
            needs.workers.push(WorkerNeed { account, script, why, releases: None });
        }
    }
    let settings = infra.settings();
    if settings.deploy.target == Target::Worker {
        // The very one that the target rolls out to.
        let (project, root) = (&settings.project.name, infra.config().root());
        let place = WorkerPlace::of(&settings.deploy, project, infra.environment(), root);
        let (account, script) = (place.account.clone(), place.script.clone());
        needs.workers.push(WorkerNeed { account, script, why: "releases".into(), releases: Some(place) });
    }
    Ok(needs)
}

#[cfg(feature = "aws-s3")]
pub(super) use r2::{keys as r2_keys, store as r2_store};

#[cfg(all(feature = "cloudflare", feature = "aws-s3"))]
mod r2 {
    use std::sync::Arc;

    use crate::cloudflare::Cloudflare;
    use crate::config::{State, StateKind};
    use crate::env::CLOUDFLARE_API_TOKEN;
    use crate::error::Result;
    use crate::infra::providers::ports::Choice;
    use crate::infra::unready::Unready;
    use crate::state::{KeySource, StateStore};

    /// The keys for R2 that the token has; `None` without a token.
    pub(in crate::infra::providers) fn keys(
        choice: &Choice<'_>,
        account: &str,
    ) -> Result<Option<Arc<dyn KeySource>>> {
        if choice.env.get(CLOUDFLARE_API_TOKEN).is_none() {
            return Ok(None);
        }
        Ok(Some(Arc::new(Cloudflare::new(choice.env)?.r2_keys(account)?)))
    }

    /// Whoever makes the bucket of state in R2; `None` for another store, and without a token.
    pub(in crate::infra::providers) fn store(
        choice: &Choice<'_>,
        state: &State,
        objects: Arc<dyn StateStore>,
    ) -> Option<Arc<dyn StateStore>> {
        if state.backend != StateKind::R2 {
            return None;
        }
        choice.env.get(CLOUDFLARE_API_TOKEN)?;
        let (account, name) = (state.account.as_deref()?, state.bucket.as_deref()?);
        let bucket = Cloudflare::new(choice.env)
            .and_then(|cloudflare| cloudflare.r2_bucket(account, name, state.jurisdiction, state.location));
        Some(match bucket {
            Ok(bucket) => Arc::new(bucket.as_state_store(objects)),
            Err(error) => Arc::new(Unready::new(&error)),
        })
    }
}

#[cfg(all(not(feature = "cloudflare"), feature = "aws-s3"))]
mod r2 {
    use std::sync::Arc;

    use crate::config::State;
    use crate::error::Result;
    use crate::infra::providers::ports::Choice;
    use crate::state::{KeySource, StateStore};

    pub(in crate::infra::providers) fn keys(_: &Choice<'_>, _: &str) -> Result<Option<Arc<dyn KeySource>>> {
        Ok(None)
    }

    pub(in crate::infra::providers) fn store(
        _: &Choice<'_>,
        _: &State,
        _: Arc<dyn StateStore>,
    ) -> Option<Arc<dyn StateStore>> {
        None
    }
}
