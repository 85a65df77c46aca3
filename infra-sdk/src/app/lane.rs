//! What one task writes: its lines, its progress, its reports.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::app::output::Output;
use crate::app::reported::Reported;
use crate::error::{Error, ErrorKind, Result};
use crate::process::{LineSink, Stream};

/// Without a terminal, progress is a plain line, at most this often.
const PLAIN_PROGRESS: Duration = Duration::from_secs(10);

/// The output of one task.
pub(crate) struct Lane {
    pub(crate) output: Arc<Output>,
    pub(crate) index: u32,
    pub(crate) name: Arc<str>,
    /// Whether the task was asked for by name; reports of others are told as lines only.
    pub(crate) requested: bool,
    printed: AtomicBool,
    progress_told: Mutex<Option<Instant>>,
    reports: Mutex<Result<Vec<Reported>>>,
}

impl Lane {
    pub(crate) fn new(output: Arc<Output>, index: u32, name: Arc<str>, requested: bool) -> Self {
        Lane {
            output,
            index,
            name,
            requested,
            printed: AtomicBool::new(false),
            progress_told: Mutex::default(),
            reports: Mutex::new(Ok(Vec::new())),
        }
    }

    /// Whether the task wrote anything.
    pub(crate) fn has_printed(&self) -> bool {
        self.printed.load(Ordering::Relaxed)
    }

    /// Drops what was reported so far.
    pub(crate) fn forget_reports(&self) {
        *self.reports.lock().unwrap_or_else(PoisonError::into_inner) = Ok(Vec::new());
    }

    pub(crate) fn report<T: serde::Serialize + std::fmt::Display + ?Sized>(&self, value: &T) {
        // As little as can be: every type that is reported has its own copy of this.
        match (self.output.json, self.requested) {
            (true, true) => self.keep(serde_json::to_value(value)),
            (true, false) => {}
            (false, _) => self.print(&value.to_string()),
        }
    }

    /// Keeps a report for the one document that JSON is printed as.
    fn keep(&self, value: serde_json::Result<Value>) {
        let value = value.map_err(|error| {
            Error::new(ErrorKind::Bug, "a report cannot be written as JSON")
                .because(error)
                .hint("give it text keys and finite numbers")
        });
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        match (value, &mut *reports) {
            (Ok(value), Ok(all)) => all.push(Reported::Tree(self.masked(value))),
            (Err(error), Ok(_)) => *reports = Err(error),
            (_, Err(_)) => {}
        }
    }

    fn print(&self, text: &str) {
        self.printed.store(true, Ordering::Relaxed);
        if self.requested {
            self.output.result(text);
        } else {
            self.output.line(self, Stream::Out, text.trim_end_matches('\n'));
        }
    }

    /// Takes JSON text whose texts are masked already, where there is to be a document.
    pub(crate) fn report_json(&self, json: Box<serde_json::value::RawValue>) {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        if let (true, Ok(all)) = (self.requested, &mut *reports) {
            all.push(Reported::Text(json));
        }
    }

    /// The reports so far, as JSON.
    ///
    /// # Errors
    /// `Bug` when one could not be written as JSON.
    pub(crate) fn take_reports(&self) -> Result<Vec<Reported>> {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *reports, Ok(Vec::new()))
    }

    /// Masks inside texts, so that the document stays JSON.
    fn masked(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.output.masks.apply(&text).into_owned()),
            Value::Array(items) => items.into_iter().map(|item| self.masked(item)).collect(),
            Value::Object(fields) => fields
                .into_iter()
                .map(|(key, value)| (self.output.masks.apply(&key).into_owned(), self.masked(value)))
                .collect(),
            other => other,
        }
    }

    /// Shows lines at the bottom of a terminal, redrawn in place; says whether there is one.
    pub(crate) fn board(&self, text: Option<&str>) -> bool {
        let redraws = self.output.redraws && !self.output.github;
        if redraws {
            self.output.progress(self.index, text);
        }
        redraws
    }

    pub(crate) fn progress(&self, label: &str, done: u64, total: u64) {
        let text = match done.saturating_mul(100).checked_div(total) {
            Some(percent) => format!("{label} {done}/{total} ({percent} %)"),
            None => format!("{label} {done}"),
        };
        let finished = total > 0 && done >= total;
        if self.output.redraws && !self.output.github {
            let line = if self.output.is_single() { text } else { format!("{} │ {text}", self.name) };
            return self.output.progress(self.index, (!finished).then_some(line.as_str()));
        }
        let mut told = self.progress_told.lock().unwrap_or_else(PoisonError::into_inner);
        let due = told.is_none_or(|at| at.elapsed() >= PLAIN_PROGRESS);
        if due || finished {
            *told = Some(Instant::now());
            drop(told);
            self.line(Stream::Err, &text);
        }
    }
}

impl LineSink for Lane {
    fn line(&self, stream: Stream, line: &str) {
        self.printed.store(true, Ordering::Relaxed);
        self.output.line(self, stream, line);
    }
}
