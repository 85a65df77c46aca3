//! Revisions that were read already, and which of them stand for others.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::aws::ecs::definition::{Definition, number};
use crate::deploy::ReleaseId;

/// Revisions that can be run: nothing of them changes but their tags and whether they can be run, and while the environment
/// is locked only by us.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    definitions: BTreeMap<ReleaseId, Definition>,
    /// By the id of a revision that was deregistered: the one that was registered in its place.
    stand_ins: BTreeMap<ReleaseId, ReleaseId>,
}

impl Seen {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A revision that can be run.
    pub(super) fn definition(&self, id: &ReleaseId) -> Option<Definition> {
        self.kept().definitions.get(id).cloned()
    }

    /// Remembers a revision that can be run, and which one it stands for.
    pub(super) fn note(&self, definition: &Definition, stands_for: Option<ReleaseId>) {
        let mut kept = self.kept();
        kept.definitions.insert(definition.id.clone(), definition.clone());
        let Some(gone) = stands_for else { return };
        let newest = kept.stand_ins.entry(gone).or_insert_with(|| definition.id.clone());
        if number(newest) < number(&definition.id) {
            *newest = definition.id.clone();
        }
    }

    /// What stands for a revision that was deregistered. Where there is one, that revision can not be run: none that was
    /// deregistered comes back.
    pub(super) fn stand_in(&self, id: &ReleaseId) -> Option<ReleaseId> {
        self.kept().stand_ins.get(id).cloned()
    }

    /// To be read again, because it was changed.
    pub(super) fn forget(&self, id: &ReleaseId) {
        let mut kept = self.kept();
        kept.definitions.remove(id);
        kept.stand_ins.retain(|_, other| other != id);
    }
}
