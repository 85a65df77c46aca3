//! Every change leaves a ledger entry and an event, the same way from every flow.

use serde::Serialize;

use crate::error::{Result, ResultExt};
use crate::events::Source;
use crate::infra::open::Infra;
use crate::ledger::{self, Outcome, Record};

impl Infra {
    /// Writes what was done into the ledger; `details` are names, digests and counts, never values.
    ///
    /// # Errors
    /// What the ledger fails with, saying that the change itself was made.
    pub async fn record(
        &self,
        action: &str,
        subject: &str,
        outcome: Outcome,
        details: &[(&str, String)],
    ) -> Result<()> {
        let settings = self.settings();
        let mut record = Record::new(
            ledger::actor(self.env()),
            self.environment().clone(),
            settings.project.name.clone(),
            action,
            subject,
            outcome,
        );
        for (key, value) in details {
            record = record.with(*key, self.host().masks.apply(value));
        }
        let entry = self.ports().ledger.append(record).await.context("record in the ledger what was done")?;
        self.note_next(&entry);
        Ok(())
    }

    /// Tells the other repos of this environment.
    ///
    /// # Errors
    /// What the event bus fails with.
    pub async fn tell_others<T: Serialize>(&self, kind: &str, data: T) -> Result<()> {
        let event = self.new_event(kind, data)?.untyped()?;
        self.ports().events.publish(&event).await.map(drop)
    }

    /// This repo, as the source of events.
    pub fn source(&self) -> Source {
        let project = &self.settings().project;
        Source::new(project.org.clone(), project.name.clone())
    }
}
