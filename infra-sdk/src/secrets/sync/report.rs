//! What a sync did, and what it left.

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::names::{Label, SecretName};
use crate::secrets::sync::compare::Action;
use crate::secrets::sync::plan::{Job, UnseenTarget};

/// What a sync did; shows names, never a value.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SyncReport {
    /// Each store, in the order they were asked for.
    pub targets: Vec<TargetReport>,
}

/// What a sync did at one store.
#[derive(Clone, Debug, Serialize)]
pub struct TargetReport {
    /// The target.
    pub target: Label,
    /// What tells its store from every other.
    pub id: String,
    /// How messages call its store.
    pub store: String,
    /// Written, and not there before.
    pub created: Vec<SecretName>,
    /// Written over an older value.
    pub updated: Vec<SecretName>,
    /// Written over what somebody else wrote.
    pub repaired: Vec<SecretName>,
    /// Removed.
    pub pruned: Vec<SecretName>,
    /// How many are as they should be.
    pub unchanged: usize,
    /// Written by somebody else since, and left so.
    pub drifted: Vec<SecretName>,
    /// Not wanted any more, and left because pruning was not asked for.
    pub prunable: Vec<SecretName>,
    /// Somebody else's, left alone.
    pub foreign: Vec<SecretName>,
    /// What should have been written or removed and was not.
    pub left: Vec<SecretName>,
    /// Why something is left.
    pub failure: Option<String>,
    /// What else there is to know.
    pub note: Option<String>,
    #[serde(skip)]
    cause: Option<Cause>,
}

#[derive(Clone, Debug)]
struct Cause {
    kind: ErrorKind,
    retryable: bool,
    exit_code: Option<u8>,
    hints: Vec<String>,
}

impl TargetReport {
    /// Nothing done yet.
    pub(super) fn new(job: &Job) -> Self {
        let of = |action: Action| {
            let actions = job.compared.actions.iter().filter(move |(_, its)| **its == action);
            actions.map(|(name, _)| name.clone())
        };
        let left = |action: Action, done: bool| if done { Vec::new() } else { of(action).collect() };
        let repairs = job.compared.puts.iter().any(|put| put.action == Action::Drifted);
        TargetReport {
            target: job.label.clone(),
            id: job.store.id().to_owned(),
            store: job.store.name().to_owned(),
            created: Vec::new(),
            updated: Vec::new(),
            repaired: Vec::new(),
            pruned: Vec::new(),
            unchanged: of(Action::Unchanged).count(),
            drifted: left(Action::Drifted, repairs),
            prunable: of(Action::Prune).filter(|name| !job.compared.deletes.contains(name)).collect(),
            foreign: of(Action::Foreign).collect(),
            left: Vec::new(),
            failure: None,
            note: None,
            cause: None,
        }
    }

    /// Of a store that could not be looked at.
    pub(super) fn unseen(target: &UnseenTarget) -> Self {
        let mut report = TargetReport {
            target: target.target.clone(),
            id: target.id.clone(),
            store: target.store.clone(),
            created: Vec::new(),
            updated: Vec::new(),
            repaired: Vec::new(),
            pruned: Vec::new(),
            unchanged: 0,
            drifted: Vec::new(),
            prunable: Vec::new(),
            foreign: Vec::new(),
            left: Vec::new(),
            failure: None,
            note: None,
            cause: None,
        };
        report.fail(&target.error);
        report
    }

    /// Changes that were made.
    pub fn written(&self) -> usize {
        self.created.len() + self.updated.len() + self.repaired.len() + self.pruned.len()
    }

    /// Says why something is left; the first reason decides what kind of failure it is.
    pub(super) fn fail(&mut self, error: &Error) {
        if let Some(failure) = &mut self.failure {
            failure.push_str("; ");
            failure.push_str(&told(error));
        } else {
            self.failure = Some(told(error));
            self.cause = Some(Cause {
                kind: error.kind(),
                retryable: error.is_retryable(),
                exit_code: error.exit_code(),
                hints: error.hints().to_vec(),
            });
        }
    }
}

/// An error with its causes, on one line.
pub(super) fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string().replace('\n', " "));
        next = cause.source();
    }
    text
}

impl SyncReport {
    /// Fails unless every store holds what it should.
    ///
    /// # Errors
    /// The kind of the first failure, naming what is left where, retryable if that was; otherwise `Conflict` when somebody
    /// else wrote a secret since and was not written over.
    pub fn complete(&self) -> Result<()> {
        if let Some(cause) = self.targets.iter().find_map(|target| target.cause.as_ref()) {
            return Err(self.incomplete(cause));
        }
        let drifted: Vec<String> = self.targets.iter().filter_map(|it| named(it, &it.drifted)).collect();
        if drifted.is_empty() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Conflict, "some secrets were changed elsewhere since they were synced")
            .with("changed", drifted.join("; "))
            .hint("sync with `--repair` to write over them, or take the new values over first"))
    }

    fn incomplete(&self, cause: &Cause) -> Error {
        let failed = || self.targets.iter().filter(|target| target.failure.is_some());
        let left: Vec<String> = failed().filter_map(|it| named(it, &it.left)).collect();
        let why = failed().map(|it| format!("{}: {}", it.target, it.failure.as_deref().unwrap_or_default()));
        let why: Vec<String> = why.collect();
        let written: usize = self.targets.iter().map(TargetReport::written).sum();
        let mut error = Error::new(cause.kind, "the sync is incomplete").with("written", written);
        if !left.is_empty() {
            error = error.with("left", left.join("; "));
        }
        error = error.because(why.join("; "));
        error = cause.hints.iter().fold(error, |error, hint| error.hint(hint));
        let again = "sync again: it continues where it stopped";
        if !cause.hints.iter().any(|hint| hint.ends_with("it continues where it stopped")) {
            error = error.hint(again);
        }
        if let Some(code) = cause.exit_code {
            error = error.exit_with(code);
        }
        if cause.retryable { error.retryable() } else { error }
    }
}

fn named(target: &TargetReport, names: &[SecretName]) -> Option<String> {
    let shown: Vec<&str> = names.iter().map(SecretName::as_str).collect();
    (!shown.is_empty()).then(|| format!("{}: {}", target.target, shown.join(", ")))
}
