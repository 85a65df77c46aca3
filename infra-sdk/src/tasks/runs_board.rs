//! How far a run is, for who follows it: a table on a terminal, a line a change elsewhere.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::app::Cx;
use crate::names::RepoName;
use crate::runs::{RepoState, RunReport, RunView};

/// How many repos a table has room for beside its title.
const ROWS: usize = 16;

/// A table is drawn at most this often.
const PAUSE: Duration = Duration::from_millis(100);

/// What was shown of a run.
pub(super) struct Board {
    cx: Cx,
    shown: Mutex<Shown>,
}

#[derive(Default)]
struct Shown {
    drawn: Option<Instant>,
    /// Whether there is a terminal to draw on; found out by drawing.
    terminal: bool,
    /// State and attempt of every repo as it was told.
    told: HashMap<RepoName, (&'static str, u32)>,
}

impl Board {
    /// Nothing was shown yet.
    pub(super) fn new(cx: &Cx) -> Self {
        Board { cx: cx.clone(), shown: Mutex::default() }
    }

    /// Shows how far the run is.
    pub(super) fn show(&self, view: &RunView) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let late = shown.drawn.is_none_or(|drawn| drawn.elapsed() >= PAUSE);
        if late {
            shown.drawn = Some(Instant::now());
            let report = RunReport::of(view);
            shown.terminal = self.cx.board(Some(&format!("{}\n{}", report.title(), report.table(ROWS))));
        }
        if shown.terminal {
            return;
        }
        for repo in &view.repos {
            let now = (repo.state.word(), repo.state.attempt());
            let before = shown.told.insert(repo.repo.clone(), now);
            // What waits is no news, and all of a run do in the beginning.
            if before != Some(now) && !matches!(repo.state, RepoState::Waiting | RepoState::Ready { .. }) {
                self.cx.say(line(&repo.repo, &repo.state));
            }
        }
    }

    /// Takes the table away.
    pub(super) fn clear(&self) {
        self.cx.board(None);
    }
}

fn line(repo: &RepoName, state: &RepoState) -> String {
    match state {
        RepoState::Running(claim) if claim.attempt > 1 => {
            format!("{repo}: running, attempt {} by {}", claim.attempt, claim.agent)
        }
        RepoState::Running(claim) => format!("{repo}: running by {}", claim.agent),
        RepoState::Skipped { because } => format!("{repo}: skipped because of {because}"),
        state => format!("{repo}: {state}"),
    }
}
