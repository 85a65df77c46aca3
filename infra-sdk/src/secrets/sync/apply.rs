//! Carrying out a planned sync: every store at once, one request after the other at each.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::cancel::CancelToken;
use crate::error::Result;
use crate::id;
use crate::secrets::sync::pace::Pace;
use crate::secrets::sync::plan::{Job, SyncPlan};
use crate::secrets::sync::report::{SyncReport, TargetReport};
use crate::secrets::sync::state::Journal;
use crate::secrets::sync::target::SyncProgress;
use crate::secrets::sync::writer::{Desk, Writer};

impl SyncPlan {
    /// Writes what was planned, in the name of `by`. What was written is noted after each request, so a sync that was
    /// killed at any point continues there; a failing store does not stop the others.
    ///
    /// Stores whose [ids](crate::secrets::SecretStore::id) begin alike up to the first `:` share one pace, for services
    /// count the requests of an account and not of a place. `cancel` stops between requests.
    ///
    /// # Errors
    /// `Locked` when another sync of this state runs on this machine; `Conflict` when the state changed since the plan was
    /// made; `Denied` or `Io` when it cannot be written. What fails later stands in the report: see
    /// [`SyncReport::complete`].
    pub async fn apply(
        self,
        by: &str,
        progress: Arc<dyn SyncProgress>,
        cancel: &CancelToken,
    ) -> Result<SyncReport> {
        let SyncPlan { targets, unseen, jobs, state, loaded, .. } = self;
        let key = state.key.clone();
        let pages = jobs.iter().map(|job| (job.store.id().to_owned(), job.compared.page.clone())).collect();
        let desk = Desk {
            journal: Arc::new(Journal::open(state, loaded, pages)?),
            progress,
            cancel: cancel.clone(),
            key,
            by: by.into(),
            // Names the writes of this run: the same value written by a later run is another write.
            run: u64::from_be_bytes(id::random()?),
        };
        let paces = paces(&jobs);
        let mut writers = JoinSet::new();
        for (at, job) in jobs.into_iter().enumerate() {
            let pace = paces[service(&job)].clone();
            let writer = Writer::new(job, pace, desk.clone());
            writers.spawn(async move { (at, writer.run().await) });
        }
        let mut reports = BTreeMap::new();
        while let Some(done) = writers.join_next().await {
            let (at, report) = done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
            reports.insert(at, report);
        }
        let mut reports: Vec<_> = reports.into_values().collect();
        for (report, plan) in reports.iter_mut().zip(targets) {
            report.note = [plan.note, report.note.take()].into_iter().flatten().reduce(|a, b| a + "; " + &b);
        }
        if let Err(error) = desk.journal.close() {
            match reports.iter_mut().find(|report| report.written() > 0) {
                Some(report) => report.fail(&error),
                None => return Err(error),
            }
        }
        reports.extend(unseen.iter().map(TargetReport::unseen));
        Ok(SyncReport { targets: reports })
    }
}

/// One pace for each service: the slowest of those that its targets ask for.
fn paces(jobs: &[Job]) -> BTreeMap<String, Arc<Pace>> {
    let mut slowest: BTreeMap<String, Option<f64>> = BTreeMap::new();
    for job in jobs {
        let pace = slowest.entry(service(job).to_owned()).or_default();
        *pace = [*pace, job.pace].into_iter().flatten().reduce(f64::min);
    }
    slowest.into_iter().map(|(service, pace)| (service, Arc::new(Pace::new(pace)))).collect()
}

fn service(job: &Job) -> &str {
    job.store.id().split(':').next().unwrap_or_default()
}
