//! What is said about the reach of a plan.

use std::fmt;

use serde::Serialize;

use crate::day::Day;
use crate::names::RepoName;
use crate::plan::impact::{Effect, Reader};
use crate::plan::plain::plain;

/// As many as anybody reads; a program has all of them.
const SHOWN: usize = 100;
/// As many readers of one value as fit on a line or two.
const SHOWN_READERS: usize = 20;

/// Which exported values a plan changes, and who reads them: paths, addresses and names, never a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Impact {
    /// The values, those that break their readers first.
    pub paths: Vec<PathImpact>,
    /// The repos that read one that changes; not those that only wait for one that is added.
    pub repos: Vec<RepoName>,
    /// Resources whose parameter has no name before the apply, or a secret one: who reads it can not be told.
    pub unnamed: Vec<String>,
    /// The index the readers are from; none when none was given.
    pub index: Option<Index>,
}

/// One exported value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PathImpact {
    /// Its path.
    pub path: String,
    /// What happens to it.
    pub effect: Effect,
    /// The resources and outputs that do it.
    pub sources: Vec<String>,
    /// Who is known to read it.
    pub readers: Vec<Reader>,
}

/// How much an index of readers knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Index {
    /// The day it is from.
    pub date: Day,
    /// How old that is.
    pub age_days: u64,
    /// How many references it has.
    pub readers: usize,
    /// Of how many repos.
    pub repos: usize,
}

impl Impact {
    /// Whether no exported value is touched, as far as the plan tells.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.unnamed.is_empty()
    }

    /// The first line: how many repos are touched, and which.
    pub fn summary(&self) -> String {
        let names: Vec<&str> = self.repos.iter().map(RepoName::as_str).collect();
        match (names.len(), &self.index) {
            _ if self.is_empty() => "no exported value changes".into(),
            (0, Some(index)) if index.readers > 0 => "no repo is known to read what changes".into(),
            (0, _) => "who reads what changes is not known".into(),
            (1, _) => format!("changing this touches 1 repo: {}", names[0]),
            (count, _) => {
                let more = if count > SHOWN_READERS {
                    format!(" and {} more", count - SHOWN_READERS)
                } else {
                    String::new()
                };
                format!(
                    "changing this touches {count} repos: {}{more}",
                    names[..count.min(SHOWN_READERS)].join(", ")
                )
            }
        }
    }

    /// The report as plain lines, for a page: no line holds a control character. Spaces begin a line that belongs to the one
    /// before.
    pub fn note_lines(&self) -> Vec<String> {
        let mut lines = vec![self.summary()];
        for touched in self.paths.iter().take(SHOWN) {
            let sources: Vec<_> = touched.sources.iter().map(|source| plain(source)).collect();
            lines.push(format!(
                "  {:<3} {}: {} ({})",
                touched.effect.sign(),
                plain(&touched.path),
                plain(&touched.effect.words()),
                sources.join(", ")
            ));
            lines.push(format!("      {}", read_by(&touched.readers)));
        }
        if self.paths.len() > SHOWN {
            lines.push(format!("  and {} more", self.paths.len() - SHOWN));
        }
        for address in self.unnamed.iter().take(SHOWN) {
            lines.push(format!("  ?   {}: its parameter has no name before the apply", plain(address)));
        }
        if self.unnamed.len() > SHOWN {
            lines.push(format!("  and {} more without a name", self.unnamed.len() - SHOWN));
        }
        lines.push(self.known());
        lines
    }

    fn known(&self) -> String {
        match &self.index {
            None => "no index of readers was given: that no reader is known does not say that there is none"
                .into(),
            Some(Index { readers: 0, date, .. }) => format!(
                "the index of readers of {date} is empty: that no reader is known does not say that there is none"
            ),
            Some(Index { date, age_days, readers, repos }) => {
                format!(
                    "index of readers: {readers} references of {repos} repos, of {date}, {age_days} days old"
                )
            }
        }
    }
}

fn read_by(readers: &[Reader]) -> String {
    if readers.is_empty() {
        return "no known readers".into();
    }
    let one = |reader: &Reader| match &reader.env {
        Some(env) => format!("{} ({} in {env})", reader.repo, reader.reference),
        None => format!("{} ({})", reader.repo, reader.reference),
    };
    let shown: Vec<String> = readers.iter().take(SHOWN_READERS).map(one).collect();
    let more = readers.len() - shown.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("read by {}{more}", shown.join(", "))
}

impl fmt::Display for Impact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.note_lines().join("\n"))
    }
}
