//! What a sync is asked for: stores with the values each should hold, and how far it may go.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::names::{Label, SecretName};
use crate::secret::SecretValue;
use crate::secrets::change::SecretChange;
use crate::secrets::store::SecretStore;

/// One store and all the values it should hold.
pub struct SyncTarget {
    /// How plans and reports call it.
    pub label: Label,
    /// The store.
    pub store: Arc<dyn SecretStore>,
    /// The values it should hold.
    pub values: BTreeMap<SecretName, SecretValue>,
    /// What nobody may want any more, as at the end of a rotation: removed also without [`SyncOptions::prune`], if an earlier
    /// sync wrote it.
    pub retired: BTreeSet<SecretName>,
    /// Write requests a second to start with, for accounts with limits of their own; default: the store's documented
    /// [pace](crate::secrets::Costs::pace).
    pub pace: Option<f64>,
}

impl fmt::Debug for SyncTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncTarget")
            .field("label", &self.label)
            .field("store", &self.store.name())
            .field("names", &self.values.keys())
            .finish_non_exhaustive()
    }
}

impl SyncTarget {
    /// Write requests a second to start with.
    pub(super) fn pace(&self) -> Option<f64> {
        self.pace.or(self.store.costs().pace)
    }
}

/// How far a sync may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SyncOptions {
    /// Look at every store for changes made elsewhere, also where that costs more than one request.
    pub drift: bool,
    /// Write over what was changed elsewhere.
    pub repair: bool,
    /// Remove what an earlier sync wrote and nobody wants any more.
    pub prune: bool,
}

/// Hears what a sync does while it lasts. `()` hears nothing.
pub trait SyncProgress: Send + Sync {
    /// `done` of the `of` changes that a target needs are made.
    fn wrote(&self, target: &Label, done: usize, of: usize);

    /// The next request to a target waits this long, because the store asked for it or failed.
    fn waiting(&self, target: &Label, wait: Duration, why: &str);
}

impl SyncProgress for () {
    fn wrote(&self, _: &Label, _: usize, _: usize) {}
    fn waiting(&self, _: &Label, _: Duration, _: &str) {}
}

/// Refuses, without any request, what cannot be synced; says everything at once.
pub(super) fn check_targets(targets: &[SyncTarget]) -> Result<()> {
    let mut refused = Refused::default();
    let mut places = BTreeMap::new();
    for target in targets {
        if let Some(other) = places.insert(target.store.id(), &target.label) {
            refused.add(
                &target.label,
                format_args!("it is the same place as {other}: {}", target.store.name()),
                "give each target a store of its own",
            );
        }
        if target.pace().is_some_and(|pace| !(pace > 0.0 && pace.is_finite())) {
            refused.add(
                &target.label,
                "its writes a second are not more than 0",
                "set a number such as `0.5`",
            );
        }
        let (wanted, capacity) = (target.values.len(), target.store.costs().capacity);
        if let Some(capacity) = capacity.filter(|capacity| wanted > *capacity) {
            refused.add(
                &target.label,
                format_args!("{wanted} secrets are more than the {capacity} it holds"),
                "sync fewer of them there, or keep several values in one secret",
            );
        }
        check_names(target, &mut refused);
        check_values(target, &mut refused);
    }
    refused.into_result()
}

fn check_names(target: &SyncTarget, refused: &mut Refused) {
    let mut keys = BTreeMap::new();
    for name in target.values.keys() {
        if let Some(other) = keys.insert(target.store.key(name), name) {
            refused.add(
                &target.label,
                format_args!("{other} and {name} are one secret there"),
                "rename one of them, or sync it elsewhere",
            );
        }
    }
}

fn check_values(target: &SyncTarget, refused: &mut Refused) {
    for (name, value) in &target.values {
        let put = SecretChange::put(name.clone(), value.clone());
        if let Err(error) = target.store.check(&put) {
            refused.lines.push(format!("{}: {error}", target.label));
            refused.hints.extend(error.hints().iter().cloned());
        }
    }
}

#[derive(Default)]
struct Refused {
    lines: Vec<String>,
    hints: BTreeSet<String>,
}

impl Refused {
    fn add(&mut self, target: &Label, why: impl fmt::Display, hint: &str) {
        self.lines.push(format!("{target}: {why}"));
        self.hints.insert(hint.to_owned());
    }

    fn into_result(self) -> Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let error = Error::invalid("nothing was synced: the stores could not take it as it is")
            .with("refused", self.lines.join("; "));
        Err(self.hints.into_iter().fold(error, Error::hint))
    }
}
