//! How far the ledger went when this machine last saw it: a chain alone does not show that entries were cut off its end.

use std::path::PathBuf;

use crate::digest::Digest;
use crate::error::Result;
use crate::file::{self, Access};
use crate::infra::open::Infra;
use crate::ledger::{self, Entry, Verified};

/// More than any note has.
const LONGEST: u64 = 4 * 1024;

impl Infra {
    /// Checks the ledger as [`ledger::verify`] does, and that it still holds `noted` and what this machine last saw of it.
    ///
    /// # Errors
    /// As [`ledger::verify`]; `Denied` or `Io` when what was seen cannot be read.
    pub async fn verify_ledger(&self, noted: Option<&Digest>) -> Result<Verified> {
        let (ledger, path) = (&*self.ports().ledger, self.head_path());
        let seen = self.noted_head()?;
        let verified = ledger::verify(ledger, seen.as_ref()).await.map_err(|error| {
            // One that is another on purpose is none that was cut.
            let another = error.context().any(|(key, _)| key == "noted");
            let way = format!("if this is another ledger on purpose, remove {}", path.display());
            if another { error.hint(way) } else { error }
        })?;
        if noted.is_some_and(|noted| Some(noted) != seen.as_ref()) {
            ledger::verify(ledger, noted).await?;
        }
        self.note_head(&verified.head);
        Ok(verified)
    }

    /// Goes on from what was noted to the entry that follows it. Behind anything else the note stays: what it names may have
    /// been cut off, which only a check of all entries can tell.
    pub(super) fn note_next(&self, entry: &Entry) {
        if self.noted_head().is_ok_and(|noted| noted.is_none_or(|noted| noted == entry.prev)) {
            self.note_head(&entry.hash);
        }
    }

    /// That it cannot be kept costs only what it would have shown later.
    fn note_head(&self, head: &Digest) {
        let _ = file::write(&self.head_path(), head.to_string().as_bytes(), Access::Private);
    }

    fn noted_head(&self) -> Result<Option<Digest>> {
        let noted = file::read_text(&self.head_path(), LONGEST)?;
        Ok(noted.and_then(|text| text.trim().parse().ok()))
    }

    /// One for each environment and ledger.
    fn head_path(&self) -> PathBuf {
        let place = Digest::of(self.ports().ledger.place(0).as_bytes());
        self.home().ledger_heads().join(format!("{}-{}", self.environment(), place.short()))
    }
}
