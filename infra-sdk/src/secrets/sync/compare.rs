//! What to do with each secret of one store: what is wanted, beside what is known and what was seen there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use crate::config::PREVIOUS;
use crate::names::SecretName;
use crate::secret::SecretValue;
use crate::secrets::fingerprint::Fingerprint;
use crate::secrets::store::{Listing, SecretStore, Stamp, Stamps, StoredSecret};
use crate::secrets::sync::book::{Entry, Page};
use crate::secrets::sync::target::SyncOptions;

/// What a sync does with one secret at one store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is not there: written.
    Create,
    /// It is there with another value, or with one that is not known: written.
    Update,
    /// Somebody else wrote it since: written with [`SyncOptions::repair`] only.
    Drifted,
    /// An earlier sync wrote it and nobody wants it any more: removed with [`SyncOptions::prune`] only.
    Prune,
    /// Somebody else's: never touched.
    Foreign,
    /// It is as it should be.
    Unchanged,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Action::Create => "create",
            Action::Update => "update",
            Action::Drifted => "drifted",
            Action::Prune => "prune",
            Action::Foreign => "foreign",
            Action::Unchanged => "unchanged",
        })
    }
}

/// A value that a store should hold.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) name: SecretName,
    pub(super) value: SecretValue,
    pub(super) fingerprint: Fingerprint,
}

/// A value to write, and why.
#[derive(Clone, Debug)]
pub(super) struct Put {
    pub(super) wanted: Wanted,
    pub(super) action: Action,
}

/// What comes out for one store.
#[derive(Debug, Default)]
pub(super) struct Compared {
    pub(super) actions: BTreeMap<SecretName, Action>,
    pub(super) puts: Vec<Put>,
    pub(super) deletes: Vec<SecretName>,
    /// What is known of the store now.
    pub(super) page: Page,
    /// The stamps before anything is written, by key.
    pub(super) before: BTreeMap<String, Stamp>,
}

/// Compares. `known` is nothing for a store that no believable state knows; `listing` for one that was not looked at.
pub(super) fn compare(
    store: &dyn SecretStore,
    wanted: Vec<Wanted>,
    retired: &BTreeSet<SecretName>,
    known: Option<&Page>,
    listing: Option<Listing>,
    options: SyncOptions,
) -> Compared {
    let names: BTreeMap<String, SecretName> =
        wanted.iter().map(|wanted| (store.key(&wanted.name), wanted.name.clone())).collect();
    let mut page = known.cloned().unwrap_or_default();
    page.spell(store, &names);
    let listed = match listing {
        Some(Listing::Now { secrets, mark }) => {
            let listed = Listed::new(store, secrets).without_what_lags(store, &page);
            page.mark = mark;
            listed.correct(store, &mut page, &names);
            Some(listed)
        }
        Some(Listing::Unchanged) | None => None,
    };
    let mut compared = Compared::default();
    let foreign: BTreeSet<String> = page.foreign.iter().map(|name| store.key(name)).collect();
    for wanted in wanted {
        let key = store.key(&wanted.name);
        let sight =
            listed.as_ref().map_or(Sight::None { foreign: foreign.contains(&key) }, |it| it.sight(&key));
        compared.want(wanted, &page, sight, options, store.costs().stamps == Stamps::None);
    }
    // While a rotation is under way no store may have the new value and not yet the old one beside it.
    compared.puts.sort_by_key(|put| !put.wanted.name.as_str().ends_with(PREVIOUS));
    compared.rest(store, &page, &names, |name| options.prune || retired.contains(name));
    compared.before = match listed {
        Some(listed) => listed.stamps(),
        None => page.stamps(store),
    };
    compared.page = page;
    compared
}

/// What a look tells of one secret.
enum Sight<'a> {
    /// There was no look, or nothing to tell; whether others kept it at the last one.
    None {
        foreign: bool,
    },
    Gone,
    There(Option<&'a Stamp>),
}

fn judge(wanted: &Wanted, entry: Option<&Entry>, sight: Sight<'_>) -> Action {
    match (entry, sight) {
        (_, Sight::Gone) | (None, Sight::None { foreign: false }) => Action::Create,
        (None, _) => Action::Update,
        (Some(entry), _) if entry.unsure.is_some() => Action::Update,
        (Some(entry), Sight::There(stamp)) if entry.moved(stamp) => Action::Drifted,
        (Some(entry), _) if entry.fingerprint == wanted.fingerprint => Action::Unchanged,
        (Some(_), _) => Action::Update,
    }
}

impl Compared {
    fn want(&mut self, wanted: Wanted, page: &Page, sight: Sight<'_>, options: SyncOptions, blind: bool) {
        let action = match judge(&wanted, page.secrets.get(&wanted.name), sight) {
            // Nothing tells what others did to it.
            Action::Unchanged if options.repair && blind => Action::Update,
            action => action,
        };
        self.actions.insert(wanted.name.clone(), action);
        let writes = match action {
            Action::Create | Action::Update => true,
            Action::Drifted => options.repair,
            _ => false,
        };
        if writes {
            self.puts.push(Put { wanted, action });
        }
    }

    /// What is known or was seen, and not wanted.
    fn rest(
        &mut self,
        store: &dyn SecretStore,
        page: &Page,
        wanted: &BTreeMap<String, SecretName>,
        removes: impl Fn(&SecretName) -> bool,
    ) {
        let unwanted = |name: &&SecretName| !wanted.contains_key(&store.key(name));
        for name in page.secrets.keys().filter(unwanted) {
            self.actions.insert(name.clone(), Action::Prune);
            if removes(name) {
                self.deletes.push(name.clone());
            }
        }
        for name in page.foreign.iter().filter(unwanted) {
            self.actions.insert(name.clone(), Action::Foreign);
        }
    }
}

/// What a store showed, by its own keys.
pub(super) struct Listed(BTreeMap<String, StoredSecret>);

impl Listed {
    pub(super) fn new(store: &dyn SecretStore, secrets: Vec<StoredSecret>) -> Self {
        Listed(secrets.into_iter().map(|secret| (store.key(&secret.name), secret)).collect())
    }

    /// Shows what this repo wrote moments ago as it was written: a list may be behind, and what it shows then is no
    /// change of somebody else's.
    fn without_what_lags(mut self, store: &dyn SecretStore, page: &Page) -> Self {
        let lag = store.costs().lag;
        for (name, entry) in page.secrets.iter().filter(|(_, entry)| entry.time.elapsed() < lag) {
            let there = StoredSecret { name: name.clone(), stamp: entry.stamp.clone(), updated: None };
            self.0.insert(store.key(name), there);
        }
        self
    }

    fn sight(&self, key: &str) -> Sight<'_> {
        self.0.get(key).map_or(Sight::Gone, |there| Sight::There(there.stamp.as_ref()))
    }

    /// Brings what is known up to what was seen: forgets what is gone, learns stamps, gives up what nobody wants and
    /// somebody else wrote since. A mark stays only if nothing is left that the next look must show again.
    fn correct(&self, store: &dyn SecretStore, page: &mut Page, wanted: &BTreeMap<String, SecretName>) {
        page.secrets.retain(|name, entry| {
            let key = store.key(name);
            let Some(there) = self.0.get(&key) else { return false };
            entry.learn(there.stamp.as_ref());
            wanted.contains_key(&key) || !entry.moved(there.stamp.as_ref())
        });
        self.finish(store, page);
    }

    /// Learns the stamps of what a sync wrote; a stamp that is known stays, so that what moved meanwhile is drift.
    ///
    /// A list may lag behind: a stamp that is still the one from before the write is learnt by a later look.
    pub(super) fn close(&self, store: &dyn SecretStore, page: &mut Page, before: &BTreeMap<String, Stamp>) {
        for (name, entry) in &mut page.secrets {
            let key = store.key(name);
            let there = self.0.get(&key).and_then(|there| there.stamp.as_ref());
            if there != before.get(&key) {
                entry.learn(there);
            }
        }
        self.finish(store, page);
    }

    fn finish(&self, store: &dyn SecretStore, page: &mut Page) {
        let ours: BTreeSet<String> = page.secrets.keys().map(|name| store.key(name)).collect();
        let foreign = self.0.iter().filter(|(key, _)| !ours.contains(*key));
        page.foreign = foreign.map(|(_, secret)| secret.name.clone()).collect();
        let settled = page.secrets.iter().all(|(name, entry)| {
            let there = self.0.get(&store.key(name));
            entry.unsure.is_none() && there.is_some_and(|there| there.stamp == entry.stamp)
        });
        if !settled {
            page.mark = None;
        }
    }

    fn stamps(&self) -> BTreeMap<String, Stamp> {
        let stamps = self.0.iter().filter_map(|(key, secret)| Some((key.clone(), secret.stamp.clone()?)));
        stamps.collect()
    }
}

impl Page {
    /// Gives secrets the spelling of those who want them: a store may know several as one.
    fn spell(&mut self, store: &dyn SecretStore, names: &BTreeMap<String, SecretName>) {
        let secrets = std::mem::take(&mut self.secrets).into_iter();
        self.secrets = secrets
            .map(|(name, entry)| (names.get(&store.key(&name)).cloned().unwrap_or(name), entry))
            .collect();
    }

    fn stamps(&self, store: &dyn SecretStore) -> BTreeMap<String, Stamp> {
        let stamps = self.secrets.iter();
        stamps.filter_map(|(name, entry)| Some((store.key(name), entry.stamp.clone()?))).collect()
    }
}

impl Entry {
    /// Whether a stamp shows that somebody else wrote the secret since.
    fn moved(&self, stamp: Option<&Stamp>) -> bool {
        self.unsure.is_none() && matches!((&self.stamp, stamp), (Some(ours), Some(stamp)) if ours != stamp)
    }

    /// Takes over a stamp that was not known yet.
    fn learn(&mut self, stamp: Option<&Stamp>) {
        // A store whose writes are named by us shows that one we never heard of again was made.
        if self.unsure.is_some() && self.unsure.as_deref() == stamp.map(Stamp::as_str) {
            self.unsure = None;
        }
        if self.unsure.is_none() && self.stamp.is_none() {
            self.stamp = stamp.cloned();
        }
    }
}
