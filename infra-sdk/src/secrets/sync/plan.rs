//! Planning a sync: what each store lacks, with as few requests as tell it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use tokio::task::JoinSet;

use crate::cancel::CancelToken;
use crate::error::{Error, Result, ResultExt};
use crate::names::{Label, SecretName};
use crate::secrets::fingerprint::FingerprintKey;
use crate::secrets::store::{Costs, Listing, SecretStore};
use crate::secrets::sync::book::Page;
use crate::secrets::sync::calls::{self, Calls};
use crate::secrets::sync::compare::{Action, Compared, Wanted, compare};
use crate::secrets::sync::look::look;
use crate::secrets::sync::state::{Loaded, SyncState};
use crate::secrets::sync::target::{SyncOptions, SyncTarget, check_targets};

/// What a sync will do; shows names, never a value.
#[derive(Serialize)]
pub struct SyncPlan {
    /// Each store, in the order they were asked for.
    pub targets: Vec<TargetPlan>,
    /// The stores that could not be looked at; the others are synced all the same.
    pub unseen: Vec<UnseenTarget>,
    /// How far it may go.
    pub options: SyncOptions,
    #[serde(skip)]
    pub(super) jobs: Vec<Job>,
    #[serde(skip)]
    pub(super) state: SyncState,
    #[serde(skip)]
    pub(super) loaded: Loaded,
}

/// A store that could not be looked at.
#[derive(Debug, Serialize)]
pub struct UnseenTarget {
    /// The target.
    pub target: Label,
    /// What tells its store from every other.
    pub id: String,
    /// How messages call its store.
    pub store: String,
    /// Why.
    #[serde(serialize_with = "as_text")]
    pub error: Error,
}

fn as_text<S: serde::Serializer>(error: &Error, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(error)
}

/// What a sync will do at one store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TargetPlan {
    /// The target.
    pub target: Label,
    /// What tells its store from every other.
    pub id: String,
    /// How messages call its store.
    pub store: String,
    /// Every secret that is wanted, known or seen there, sorted by name.
    pub secrets: Vec<PlannedSecret>,
    /// The requests this takes.
    pub calls: Calls,
    /// What else there is to know, such as why the state was not believed.
    pub note: Option<String>,
}

/// What a sync will do with one secret at one store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedSecret {
    /// The secret.
    pub name: SecretName,
    /// What will be done.
    pub action: Action,
}

/// All that is needed to write to one store.
pub(super) struct Job {
    pub(super) label: Label,
    pub(super) store: Arc<dyn SecretStore>,
    pub(super) pace: Option<f64>,
    pub(super) compared: Compared,
}

/// Compares what stores should hold with what the state knows of them. Looks at a store where one request tells, where
/// the state knows nothing of it, and where [`SyncOptions::drift`] asks for it; everywhere else the state is believed.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> infra_sdk::Result<()> {
/// # let folder = std::env::temp_dir().join(format!("sync-{}", infra_sdk::id::short()?));
/// use std::sync::Arc;
/// use infra_sdk::local::LocalSecrets;
/// use infra_sdk::secrets::{FingerprintKey, SyncOptions, SyncState, SyncTarget, plan_sync};
/// use infra_sdk::{CancelToken, SecretValue};
///
/// let state = SyncState::open(folder.join("sync.state"), folder.join("seen"), FingerprintKey::generate()?);
/// let target = SyncTarget {
///     label: "copy".parse()?,
///     store: Arc::new(LocalSecrets::new(folder.join("copy"))),
///     values: [("TOKEN".parse()?, SecretValue::new("hunter2"))].into(),
///     retired: Default::default(),
///     pace: None,
/// };
/// let plan = plan_sync(vec![target], state, SyncOptions::default()).await?;
/// assert_eq!((plan.calls().made, plan.calls().planned), (1, 1));
/// let report = plan.apply("ada", Arc::new(()), &CancelToken::new()).await?;
/// assert_eq!(report.targets[0].created.len(), 1);
/// report.complete()?;
/// # std::fs::remove_dir_all(folder)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `Invalid` before any request, with every name and value that a store could not take; what reading the state failed with,
/// or looking at the stores, when none could be looked at.
pub async fn plan_sync(targets: Vec<SyncTarget>, state: SyncState, options: SyncOptions) -> Result<SyncPlan> {
    check_targets(&targets)?;
    let loaded = state.load()?;
    let distrust = loaded.distrust.clone();
    let mut looks = JoinSet::new();
    for (at, target) in targets.into_iter().enumerate() {
        let known = loaded.book.targets.get(target.store.id()).cloned();
        let (key, distrust) = (state.key.clone(), distrust.clone());
        let (label, store) = (target.label.clone(), target.store.clone());
        looks.spawn(async move {
            let planned = plan_target(target, known, &key, distrust, options).await;
            let unseen = |error| {
                let (id, store) = (store.id().to_owned(), store.name().to_owned());
                UnseenTarget { target: label, id, store, error }
            };
            (at, planned.map_err(unseen))
        });
    }
    let (mut planned, mut unseen) = (Vec::new(), Vec::new());
    while let Some(done) = looks.join_next().await {
        match done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())) {
            (at, Ok(target)) => planned.push((at, target)),
            (_, Err(target)) => unseen.push(target),
        }
    }
    if planned.is_empty()
        && let Some(target) = unseen.pop()
    {
        return Err(target.error);
    }
    planned.sort_by_key(|(at, _)| *at);
    let (targets, jobs) = planned.into_iter().map(|(_, planned)| planned).unzip();
    Ok(SyncPlan { targets, unseen, options, jobs, state, loaded })
}

async fn plan_target(
    target: SyncTarget,
    known: Option<Page>,
    key: &FingerprintKey,
    distrust: Option<String>,
    options: SyncOptions,
) -> Result<(TargetPlan, Job)> {
    let pace = target.pace();
    let SyncTarget { label, store, values, retired, .. } = target;
    let wanted = values.into_iter().map(|(name, value)| {
        let fingerprint = key.fingerprint(store.id(), &name, &value);
        Wanted { name, value, fingerprint }
    });
    let wanted: Vec<Wanted> = wanted.collect();
    let costs = store.costs();
    let expected = expected(store.as_ref(), &wanted, known.as_ref());
    let mut calls = Calls::default();
    let mut listing = None;
    if known.is_none() || options.drift || calls::of_look(&costs, expected) == 1 {
        let mark = known.as_ref().and_then(|page| page.mark.as_ref());
        let found = look(store.as_ref(), mark, &CancelToken::new()).await;
        let found = found.context(format!("look at {}", store.name()))?;
        calls.made = match &found {
            Listing::Unchanged => 1,
            Listing::Now { secrets, .. } => calls::of_look(&costs, secrets.len()),
        };
        listing = Some(found);
    }
    let first = known.is_none();
    let compared = compare(store.as_ref(), wanted, &retired, known.as_ref(), listing, options);
    calls.planned = planned_calls(&costs, &compared);
    let secrets = compared.actions.iter();
    let secrets =
        secrets.map(|(name, action)| PlannedSecret { name: name.clone(), action: *action }).collect();
    let note = match distrust {
        Some(reason) => Some(format!(
            "the state is not believed: {reason}; every value is written, and nothing is removed"
        )),
        None if first => Some("the state knows nothing of this store: every value is written".to_owned()),
        None => None,
    };
    let id = store.id().to_owned();
    let plan = TargetPlan { target: label.clone(), id, store: store.name().to_owned(), secrets, calls, note };
    Ok((plan, Job { label, store, pace, compared }))
}

/// How many secrets a look will probably show.
fn expected(store: &dyn SecretStore, wanted: &[Wanted], known: Option<&Page>) -> usize {
    let mut keys: BTreeSet<String> = wanted.iter().map(|wanted| store.key(&wanted.name)).collect();
    if let Some(page) = known {
        keys.extend(page.secrets.keys().chain(&page.foreign).map(|name| store.key(name)));
    }
    keys.len()
}

fn planned_calls(costs: &Costs, compared: &Compared) -> usize {
    let (puts, deletes) = (compared.puts.len(), compared.deletes.len());
    calls::of_changes(costs, puts, deletes, compared.actions.len().saturating_sub(deletes))
}

impl SyncPlan {
    /// Whether nothing will be written to any store.
    pub fn is_empty(&self) -> bool {
        self.jobs.iter().all(|job| job.compared.puts.is_empty() && job.compared.deletes.is_empty())
    }

    /// The requests to all stores together.
    pub fn calls(&self) -> Calls {
        self.targets.iter().fold(Calls::default(), |all, target| all + target.calls)
    }
}

impl fmt::Debug for SyncPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncPlan")
            .field("targets", &self.targets)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl TargetPlan {
    /// The secrets with which this will be done.
    pub fn of(&self, action: Action) -> impl Iterator<Item = &SecretName> {
        let of = self.secrets.iter().filter(move |secret| secret.action == action);
        of.map(|secret| &secret.name)
    }
}
