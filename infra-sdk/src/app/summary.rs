//! What became of a run: the state and time of each task, and the failures, root first.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::app::exit;
use crate::app::failed;
use crate::app::graph::Plan;
use crate::app::reported::Reported;
use crate::error::{Error, ErrorKind};
use crate::mask::Masks;
use crate::time::human;

/// More rows than this make the table of times too long to read.
const MOST_ROWS: usize = 30;

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaskState {
    Done,
    Failed,
    Cancelled,
    NotRun,
    /// Left out by a dry run.
    Planned,
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            TaskState::Done => "done",
            TaskState::Failed => "failed",
            TaskState::Cancelled => "cancelled",
            TaskState::NotRun => "not run",
            TaskState::Planned => "would run",
        })
    }
}

/// One task of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) index: u32,
    pub(crate) name: Arc<str>,
    pub(crate) hidden: bool,
    pub(crate) state: TaskState,
    pub(crate) took: Duration,
    pub(crate) reports: Vec<Reported>,
}

/// A task that failed, and why.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) task: Arc<str>,
    pub(crate) error: Error,
}

/// A whole run. Outcomes stand in the order of the plan, failures in that of time.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) failures: Vec<Failure>,
    pub(crate) took: Duration,
    /// That the whole run was cancelled.
    pub(crate) cancelled: Option<Error>,
}

/// How a run that was cancelled ended.
pub(crate) fn cancellation() -> Error {
    Error::new(ErrorKind::Cancelled, "this command was cancelled")
        .hint("start it again when you are ready, unless a line above says how to go on")
}

impl Summary {
    /// The code to end with.
    pub(crate) fn exit_code(&self) -> u8 {
        match self.failures.first() {
            Some(failure) => exit::code_of(&failure.error),
            None if self.cancelled.is_some() => exit::CANCELLED,
            // A task that neither failed nor ran means that the runner lost it.
            None if self.outcomes.iter().any(|outcome| outcome.state == TaskState::NotRun) => exit::BUG,
            None => exit::OK,
        }
    }

    /// One line that says how it went.
    pub(crate) fn title(&self) -> String {
        let total = self.outcomes.len();
        let done = self.outcomes.iter().filter(|outcome| outcome.state == TaskState::Done).count();
        let tasks = if total == 1 { "task" } else { "tasks" };
        let how = if self.exit_code() == exit::OK {
            "passed"
        } else if self.failures.is_empty() {
            "cancelled"
        } else {
            "failed"
        };
        format!("{how}: {done} of {total} {tasks} done in {}", human(self.took))
    }

    /// The table of times, the slowest marked; `None` when there is nothing to compare.
    pub(crate) fn timings(&self) -> Option<String> {
        let mut rows: Vec<&Outcome> = self.outcomes.iter().filter(|outcome| !outcome.hidden).collect();
        if rows.len() < 2 {
            return None;
        }
        let slowest = rows.iter().max_by_key(|outcome| outcome.took).map(|outcome| outcome.index);
        let all = rows.len();
        if all > MOST_ROWS {
            // What failed counts more than what took long.
            rows.sort_by_key(|outcome| {
                let quiet = matches!(outcome.state, TaskState::Done | TaskState::NotRun);
                (quiet, std::cmp::Reverse(outcome.took))
            });
            rows.truncate(MOST_ROWS);
        }
        let width = rows.iter().map(|outcome| outcome.name.chars().count()).max().unwrap_or(0);
        let mut text = self.title();
        for Outcome { index, name, state, took, .. } in &rows {
            text.push_str(&format!("\n  {name:<width$}  {state:<9}"));
            if matches!(state, TaskState::Done | TaskState::Failed | TaskState::Cancelled) {
                text.push_str(&format!("  {:>12}", human(*took)));
            }
            let told = slowest == Some(*index) && took.as_millis() >= 50;
            text.push_str(if told { "  slowest" } else { "" });
            text.truncate(text.trim_end().len());
        }
        if all > rows.len() {
            text.push_str(&format!("\n  and {} more", all - rows.len()));
        }
        Some(text)
    }

    /// The one document of `--output json`: the reports of what was asked for by name, and what failed without one.
    pub(crate) fn document(&mut self, plan: &Plan, masks: &Masks) -> Reported {
        let root = self.root_failure();
        let root = root.map(|(task, error)| Reported::Tree(failed::as_json(task, error, masks)));
        let has_reported =
            |outcome: &Outcome| plan.is_requested(outcome.index) && !outcome.reports.is_empty();
        match root {
            Some(root) if !self.outcomes.iter().any(has_reported) => root,
            _ if plan.requested.len() == 1 => {
                let own = self.outcomes.iter_mut().find(|outcome| plan.is_requested(outcome.index));
                Reported::of_task(own.map(|own| std::mem::take(&mut own.reports)).unwrap_or_default())
            }
            _ => self.reports(plan, masks),
        }
    }

    /// The reports of what was asked for by name, and the errors of what failed without one.
    pub(crate) fn reports(&mut self, plan: &Plan, masks: &Masks) -> Reported {
        let mut all = Vec::new();
        for outcome in &mut self.outcomes {
            let failure = self.failures.iter().find(|failure| failure.task == outcome.name);
            let mut reported = Reported::of_task(std::mem::take(&mut outcome.reports));
            if let Some(failure) = failure.filter(|_| reported.is_nothing()) {
                reported = Reported::Tree(failed::as_json(Some(&failure.task), &failure.error, masks));
            }
            if plan.is_requested(outcome.index) || failure.is_some() {
                all.push((outcome.name.to_string(), reported));
            }
        }
        all.sort_by(|a, b| a.0.cmp(&b.0));
        Reported::Map(all)
    }

    /// The failure that is told last: the first one, or the cancellation.
    pub(crate) fn root_failure(&self) -> Option<(Option<&str>, &Error)> {
        match self.failures.first() {
            Some(failure) => Some((Some(&failure.task), &failure.error)),
            None => self.cancelled.as_ref().map(|error| (None, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(index: u32, state: TaskState, millis: u64) -> Outcome {
        let name = format!("task-{index}").into();
        Outcome {
            index,
            name,
            hidden: false,
            state,
            took: Duration::from_millis(millis),
            reports: Vec::new(),
        }
    }

    fn summary(outcomes: Vec<Outcome>) -> Summary {
        Summary { outcomes, failures: Vec::new(), took: Duration::from_secs(1), cancelled: None }
    }

    #[test]
    fn a_long_table_keeps_the_slowest_tasks_and_every_failure() {
        let mut all: Vec<Outcome> = (0..100).map(|n| outcome(n, TaskState::Done, n.into())).collect();
        all[0].state = TaskState::Failed;
        let table = summary(all).timings().unwrap();
        assert!(
            table.contains("task-0 ") && table.contains("task-99 ") && !table.contains("task-5 "),
            "{table}"
        );
        assert!(table.ends_with("and 70 more"), "{table}");
        assert_eq!(table.matches("slowest").count(), 1);
    }

    #[test]
    fn a_task_that_neither_ran_nor_failed_is_never_a_success() {
        let lost = vec![outcome(0, TaskState::Done, 1), outcome(1, TaskState::NotRun, 0)];
        assert_eq!(summary(lost).exit_code(), exit::BUG);
        assert_eq!(summary(vec![outcome(0, TaskState::Planned, 0)]).exit_code(), exit::OK);
    }
}
