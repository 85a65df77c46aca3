//! Writing to one store: one request after the other, at its pace, again where that may help.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result};
use crate::names::SecretName;
use crate::retry::Retry;
use crate::secrets::change::{SecretChange, WriteReport};
use crate::secrets::fingerprint::FingerprintKey;
use crate::secrets::store::{Stamp, Stamps};
use crate::secrets::sync::compare::{Action, Put};
use crate::secrets::sync::look::{cancelled, pause};
use crate::secrets::sync::pace::{self, Pace};
use crate::secrets::sync::plan::Job;
use crate::secrets::sync::queue::{Change, Queue, Queued, refused};
use crate::secrets::sync::report::{TargetReport, told};
use crate::secrets::sync::state::Journal;
use crate::secrets::sync::target::SyncProgress;

/// How often a request is made whose failure may go away by itself; a request to slow down has rules of its own.
const AGAIN: Retry =
    Retry { attempts: 4, first: Duration::from_secs(1), factor: 3, max: Duration::from_secs(30) };

/// What the writers of one sync share.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) journal: Arc<Journal>,
    pub(super) progress: Arc<dyn SyncProgress>,
    pub(super) cancel: CancelToken,
    pub(super) key: FingerprintKey,
    pub(super) by: Arc<str>,
    /// Names the writes of this run.
    pub(super) run: u64,
}

/// One store's part of a sync.
pub(super) struct Writer {
    pub(super) job: Job,
    pub(super) desk: Desk,
    pub(super) report: TargetReport,
    /// Made, and noted with the next save.
    pub(super) made: Vec<(Queued, Option<Stamp>)>,
    /// Noted as begun and then not made; noted so with the next save.
    pub(super) untouched: Vec<SecretName>,
    pace: Arc<Pace>,
    queue: Queue,
    of: usize,
    refused: Option<Error>,
    /// Of the same request, in a row.
    failures: usize,
}

impl Writer {
    pub(super) fn new(mut job: Job, pace: Arc<Pace>, desk: Desk) -> Self {
        let report = TargetReport::new(&job);
        let puts = std::mem::take(&mut job.compared.puts);
        let deletes = std::mem::take(&mut job.compared.deletes);
        let queue = Queue::new(puts, deletes, job.store.costs());
        let of = queue.len();
        let (made, untouched) = (Vec::new(), Vec::new());
        Writer { job, desk, report, made, untouched, pace, queue, of, refused: None, failures: 0 }
    }

    pub(super) async fn run(mut self) -> TargetReport {
        let stopped = self.write_all().await.err();
        let unsaved = self.note(&[]).err();
        let puts = self.report.written() - self.report.pruned.len();
        let learns = puts > 0 && self.job.store.costs().stamps == Stamps::OnLook;
        if learns && stopped.is_none() && unsaved.is_none() {
            self.note_stamps().await;
        }
        for error in self.refused.take().into_iter().chain(stopped).chain(unsaved) {
            self.report.fail(&error);
        }
        self.report.left.extend(self.queue.names().cloned());
        self.report.left.sort();
        self.report
    }

    async fn write_all(&mut self) -> Result<()> {
        loop {
            let chunk = self.queue.take(self.refused.is_none());
            if chunk.is_empty() {
                return Ok(());
            }
            if let Err(error) = self.begin(&chunk).await {
                self.put_back(chunk, false);
                return Err(error);
            }
            self.write(chunk).await?;
        }
    }

    async fn begin(&mut self, chunk: &[Queued]) -> Result<()> {
        if self.desk.cancel.is_cancelled() {
            return Err(cancelled());
        }
        self.note(chunk)?;
        self.pace.turn(&self.desk.cancel).await
    }

    /// Makes one request and learns from its answer.
    async fn write(&mut self, chunk: Vec<Queued>) -> Result<()> {
        let changes: Vec<SecretChange> = chunk.iter().map(|queued| self.change(queued)).collect();
        let store = self.job.store.clone();
        let answer = store.write(&changes).await;
        let WriteReport { written, failure } =
            answer.unwrap_or_else(|error| WriteReport { written: Vec::new(), failure: Some(error) });
        let mut stamps: BTreeMap<String, Option<Stamp>> =
            written.into_iter().map(|written| (store.key(&written.name), written.stamp)).collect();
        let mut rest = Vec::new();
        for queued in chunk {
            match stamps.remove(&store.key(queued.name())) {
                Some(stamp) => self.done(queued, stamp),
                None => rest.push(queued),
            }
        }
        if !self.made.is_empty() {
            self.failures = 0;
            self.pace.went_well();
        }
        if rest.is_empty() {
            self.tell();
            return Ok(());
        }
        self.failed(rest, failure.unwrap_or_else(|| unsaid(store.name()))).await
    }

    fn change(&self, queued: &Queued) -> SecretChange {
        match &queued.change {
            Change::Put(put) => SecretChange::Put {
                name: put.wanted.name.clone(),
                value: put.wanted.value.clone(),
                token: Some(self.token(put)),
            },
            Change::Delete(name) => SecretChange::delete(name.clone()),
        }
    }

    /// The same for each attempt of this run, and another one in every other run.
    pub(super) fn token(&self, put: &Put) -> String {
        self.desk.key.token(&put.wanted.fingerprint, self.desk.run)
    }

    fn done(&mut self, queued: Queued, stamp: Option<Stamp>) {
        let name = queued.name().clone();
        match &queued.change {
            Change::Delete(_) => self.report.pruned.push(name),
            Change::Put(put) => match put.action {
                Action::Create => self.report.created.push(name),
                Action::Drifted => self.report.repaired.push(name),
                _ => self.report.updated.push(name),
            },
        }
        self.made.push((queued, stamp));
    }

    /// Leaves a secret out that the store refuses, waits where that helps, or gives up.
    async fn failed(&mut self, mut rest: Vec<Queued>, error: Error) -> Result<()> {
        if let Some(at) = refused(&rest, &error) {
            let queued = rest.remove(at);
            self.report.left.push(queued.name().clone());
            self.untouched.extend((!queued.tried).then(|| queued.name().clone()));
            self.put_back(rest, false);
            self.refused.get_or_insert(error);
            self.tell();
            return Ok(());
        }
        self.put_back(rest, error.is_retryable());
        // Before any wait: it is long enough to be killed in.
        self.note(&[])?;
        self.tell();
        match error.throttle() {
            Some(throttle) => self.slow_down(throttle.after, error),
            None => self.wait(error).await,
        }
    }

    /// The pace makes the next request wait.
    fn slow_down(&self, after: Option<Duration>, error: Error) -> Result<()> {
        let why = format!("{}; {}", told(&error), pace::ceiling());
        let wait = self.pace.throttled(after).map_err(|too_long| too_long.because(error))?;
        self.desk.progress.waiting(&self.job.label, wait, &why);
        Ok(())
    }

    async fn wait(&mut self, error: Error) -> Result<()> {
        let delay = AGAIN.delays().nth(self.failures);
        self.failures += 1;
        match delay {
            Some(delay) if error.is_retryable() => {
                self.desk.progress.waiting(&self.job.label, delay, &told(&error));
                pause(delay, &self.desk.cancel).await
            }
            _ if self.failures > 1 => Err(error.with("attempts", self.failures)),
            _ => Err(error),
        }
    }

    /// `tried` says whether the changes may have been made all the same.
    fn put_back(&mut self, mut chunk: Vec<Queued>, tried: bool) {
        for queued in &mut chunk {
            queued.tried |= tried;
            self.untouched.extend((!queued.tried).then(|| queued.name().clone()));
        }
        self.queue.put_back(chunk);
    }

    fn tell(&self) {
        self.desk.progress.wrote(&self.job.label, self.report.written(), self.of);
    }
}

fn unsaid(store: &str) -> Error {
    Error::new(ErrorKind::Bug, "a store says neither that it made a change nor why it did not")
        .with("store", store)
        .hint("please report this")
}
