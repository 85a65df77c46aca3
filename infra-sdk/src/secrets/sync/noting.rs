//! What a writer notes in the state: before a request that it begins, after it what was made.

use crate::error::Result;
use crate::names::SecretName;
use crate::secrets::store::{Listing, SecretStore, Stamp};
use crate::secrets::sync::book::{Entry, Page};
use crate::secrets::sync::compare::{Listed, Put};
use crate::secrets::sync::look::look;
use crate::secrets::sync::queue::{Change, Queued};
use crate::secrets::sync::report::told;
use crate::secrets::sync::writer::Writer;
use crate::time::Timestamp;

impl Writer {
    /// Notes, in one save, what was made and what begins now. A write that begins is noted first: whoever finds that note
    /// knows that the store may have the value, and that the moved stamp is not somebody else's.
    ///
    /// # Errors
    /// `Denied` or `Io`.
    pub(super) fn note(&mut self, begins: &[Queued]) -> Result<()> {
        if begins.is_empty() && self.made.is_empty() && self.untouched.is_empty() {
            return Ok(());
        }
        let made = self.made.iter().map(|(queued, stamp)| match &queued.change {
            Change::Put(put) => (queued.name(), Some(self.entry(put, stamp.clone(), None))),
            Change::Delete(name) => (name, None),
        });
        let begins = begins.iter().filter_map(|queued| match &queued.change {
            Change::Put(put) => Some((queued.name(), Some(self.entry(put, None, Some(self.token(put)))))),
            Change::Delete(_) => None,
        });
        let (store, before) = (&self.job.store, &self.job.compared.page);
        self.desk.journal.note(store.id(), |page| {
            page.mark = None;
            for name in &self.untouched {
                page.restore(store.as_ref(), before, name);
            }
            for (name, entry) in made.chain(begins) {
                page.set(store.as_ref(), name, entry);
            }
        })?;
        self.made.clear();
        self.untouched.clear();
        Ok(())
    }

    fn entry(&self, put: &Put, stamp: Option<Stamp>, unsure: Option<String>) -> Entry {
        let (fingerprint, by) = (put.wanted.fingerprint, self.desk.by.to_string());
        Entry { fingerprint, stamp, time: Timestamp::now(), by, unsure }
    }

    /// Looks once more, for stamps that are known only afterwards.
    pub(super) async fn note_stamps(&mut self) {
        let store = self.job.store.clone();
        let noted = match look(store.as_ref(), None, &self.desk.cancel).await {
            Ok(Listing::Now { secrets, mark }) => {
                let listed = Listed::new(store.as_ref(), secrets);
                let before = &self.job.compared.before;
                self.desk.journal.note(store.id(), |page| {
                    page.mark = mark;
                    listed.close(store.as_ref(), page, before);
                })
            }
            Ok(Listing::Unchanged) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = noted {
            // All is written; the next look learns the stamps.
            self.report.note =
                Some(format!("the stamps of these writes are not known yet: {}", told(&error)));
        }
    }
}

impl Page {
    fn set(&mut self, store: &dyn SecretStore, name: &SecretName, entry: Option<Entry>) {
        let key = store.key(name);
        self.foreign.retain(|foreign| store.key(foreign) != key);
        match entry {
            Some(entry) => self.secrets.insert(name.clone(), entry),
            None => self.secrets.remove(name),
        };
    }

    /// Takes back what was noted of a write that was never made.
    fn restore(&mut self, store: &dyn SecretStore, before: &Page, name: &SecretName) {
        self.set(store, name, before.secrets.get(name).cloned());
        let key = store.key(name);
        self.foreign.extend(before.foreign.iter().filter(|foreign| store.key(foreign) == key).cloned());
    }
}
