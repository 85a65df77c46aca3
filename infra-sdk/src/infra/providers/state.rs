//! Where Terraform keeps its state, and with it what all machines that work on it share: locks, and the ledger.

use std::path::Path;
use std::sync::Arc;

use crate::config::{State, StateKind};
use crate::error::{Error, Result};
use crate::infra::absent::Absent;
#[cfg(feature = "aws-s3")]
use crate::infra::providers::cloudflare;
use crate::infra::providers::ports::Choice;
use crate::infra::unready::Unready;
use crate::ledger::Ledger;
use crate::local::{LocalLedger, LocalLocks, LocalState};
use crate::state::{Locks, StateBackend, StateLocks, StateStore};

/// What stands where the state is.
pub(super) struct States {
    pub(super) backend: Arc<dyn StateBackend>,
    pub(super) state_locks: Arc<dyn StateLocks>,
    pub(super) store: Arc<dyn StateStore>,
    pub(super) locks: Arc<dyn Locks>,
    pub(super) ledger: Arc<dyn Ledger>,
}

/// The state of an environment, and what is kept with it.
pub(super) fn open(choice: &Choice<'_>) -> Result<States> {
    let Choice { config, home, .. } = choice;
    let local = || {
        let state = Arc::new(LocalState::new(home.state()));
        of(state, LocalLocks::new(home.locks()), LocalLedger::new(home.ledger()))
    };
    match (config.section()?.state.as_ref(), choice.remote()?) {
        (Some(State { backend: StateKind::Local, .. }), _) | (None, None) => Ok(local()),
        // What cannot be used says so when it is: an environment is opened before it is known what will be asked of it.
        (Some(state), _) => Ok(in_bucket(choice, state).unwrap_or_else(|error| {
            let unready = Unready::new(&error);
            of(Arc::new(unready.clone()), unready.clone(), unready)
        })),
        // No place is named that machines could share.
        (None, Some((wanted, feature))) => {
            let state = Arc::new(Unready::new(&unnamed(choice, wanted, feature)));
            Ok(States { backend: state.clone(), state_locks: state.clone(), store: state, ..local() })
        }
    }
}

/// The locks of this machine alone, for what lies on it.
pub(in crate::infra) fn own_locks(folder: &Path) -> Arc<dyn Locks> {
    Arc::new(LocalLocks::new(folder))
}

fn of<S>(state: Arc<S>, locks: impl Locks + 'static, ledger: impl Ledger + 'static) -> States
where
    S: StateBackend + StateLocks + StateStore + 'static,
{
    States {
        backend: state.clone(),
        state_locks: state.clone(),
        store: state,
        locks: Arc::new(locks),
        ledger: Arc::new(ledger),
    }
}

fn unnamed(choice: &Choice<'_>, wanted: &str, feature: &'static str) -> Error {
    if cfg!(feature = "aws-s3") {
        return Error::invalid("no place is named for Terraform state")
            .with("environment", choice.config.environment())
            .hint(
                "write `state = { backend = \"s3\", bucket = \"…\" }` into this environment in infra.toml",
            );
    }
    Absent::new(format!("{wanted} for Terraform state"), feature, choice.config.environment()).error()
}

#[cfg(not(feature = "aws-s3"))]
fn in_bucket(choice: &Choice<'_>, state: &State) -> Result<States> {
    let wanted = if state.backend == StateKind::R2 { "r2" } else { "s3" };
    let wanted = format!("state backend = \"{wanted}\"");
    Err(Absent::new(wanted, "aws-s3", choice.config.environment()).error())
}

#[cfg(feature = "aws-s3")]
fn in_bucket(choice: &Choice<'_>, state: &State) -> Result<States> {
    use crate::aws::{Bucket, S3Ledger, S3Locks, S3State};
    use crate::state::KeyTemplate;

    let project = &choice.config.settings().project;
    let missing = |what: &str| {
        Error::invalid(format!("`{what}` of the environment's `state` is missing"))
            .hint("add it to infra.toml")
    };
    let name = state.bucket.as_deref().ok_or_else(|| missing("bucket"))?;
    let bucket = if state.backend == StateKind::R2 {
        let account = state.account.as_deref().ok_or_else(|| missing("account"))?;
        Bucket::on_r2_with(choice.env, account, name, state.jurisdiction, r2_keys(choice, account)?)?
    } else {
        Bucket::on_s3(bucket_region(choice, state)?, name, state.kms_key.clone())?
    };
    // A template without `{stack}` holds for the only stack there is.
    let mut stacks = choice.config.settings().stacks_in_order(choice.config.environment()).into_iter();
    let only = stacks.next().map(|(name, _)| name.clone()).filter(|_| stacks.next().is_none());
    let keys = match &state.key {
        Some(template) => KeyTemplate::new(template)?.of(project.org.clone(), only),
        None => KeyTemplate::default(),
    };
    let states = Arc::new(S3State::new(bucket.clone(), keys));
    let all = of(states.clone(), S3Locks::new(bucket.clone()), S3Ledger::new(bucket, &project.org));
    match cloudflare::r2_store(choice, state, states) {
        Some(store) => Ok(States { store, ..all }),
        None => Ok(all),
    }
}

/// Keys that were made for R2 go before those that every token has.
#[cfg(feature = "aws-s3")]
fn r2_keys(choice: &Choice<'_>, account: &str) -> Result<Arc<dyn crate::state::KeySource>> {
    if !cloudflare::has_r2_keys(choice.env)
        && let Some(keys) = cloudflare::r2_keys(choice, account)?
    {
        return Ok(keys);
    }
    Ok(Arc::new(crate::aws::Bucket::r2_keys(choice.env)?))
}

/// AWS in the region of the bucket, for the account of the environment.
#[cfg(feature = "aws-s3")]
fn bucket_region(choice: &Choice<'_>, state: &State) -> Result<crate::aws::Aws> {
    use crate::aws::Aws;
    use crate::config::Provider;

    let Choice { env, config, clouds, .. } = choice;
    let section = config.section()?;
    let own = section.region.as_deref();
    let Some(region) = state.region.as_deref().filter(|region| Some(*region) != own) else {
        return clouds.aws(env, config);
    };
    // What AWS_REGION says is about the environment's region, and not about this one.
    let aws = Aws::connect(env, Some(region))?.in_region(region)?;
    match section.account.as_ref().filter(|_| section.provider == Provider::Aws) {
        Some(account) => aws.for_account(account),
        None => Ok(aws),
    }
}
