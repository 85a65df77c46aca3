//! The ledger as people read it: the last entries that matter, in a table.

use std::collections::VecDeque;
use std::fmt;

use serde::Serialize;

use crate::digest::Digest;
use crate::error::Result;
use crate::ledger::{Entry, Ledger};
use crate::names::{EnvName, RepoName};

const PAGE: usize = 5_000;

/// Which entries to show.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only of this environment.
    pub env: Option<EnvName>,
    /// Only of this repository.
    pub project: Option<RepoName>,
    /// Only of this action.
    pub action: Option<String>,
}

impl Filter {
    fn matches(&self, entry: &Entry) -> bool {
        self.env.as_ref().is_none_or(|env| *env == entry.env)
            && self.project.as_ref().is_none_or(|project| *project == entry.project)
            && self.action.as_ref().is_none_or(|action| *action == entry.action)
    }
}

/// The last entries that match a filter, oldest first.
#[derive(Clone, Debug, Serialize)]
pub struct History {
    /// The entries.
    pub entries: Vec<Entry>,
    /// How many matched, shown or not.
    pub matched: u64,
}

/// Reads the last `limit` entries that match. Does not verify the chain.
///
/// # Errors
/// What reading the ledger fails with.
pub async fn history(ledger: &dyn Ledger, filter: &Filter, limit: usize) -> Result<History> {
    let (mut shown, mut matched, mut skip) = (VecDeque::new(), 0, 0);
    loop {
        let page = ledger.read(skip, PAGE).await?;
        if page.is_empty() {
            return Ok(History { entries: shown.into(), matched });
        }
        skip += page.len() as u64;
        for entry in page.into_iter().filter(|entry| filter.matches(entry)) {
            matched += 1;
            shown.push_back(entry);
            if shown.len() > limit {
                shown.pop_front();
            }
        }
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.entries.is_empty() {
            return f.write_str("no entries");
        }
        let head = ["#", "time", "actor", "env", "project", "action", "subject", "outcome", "details"];
        let mut rows = vec![head.map(String::from)];
        rows.extend(self.entries.iter().map(row));
        // The last column is as wide as it needs to be.
        let mut widths = [0; 8];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for (index, row) in rows.iter().enumerate() {
            let mut line = format!("{:>1$}", row[0], widths[0]);
            for (cell, width) in row[1..8].iter().zip(&widths[1..]) {
                line.push_str(&format!("  {cell:<width$}"));
            }
            line.push_str(&format!("  {}", row[8]));
            f.write_str(if index == 0 { "" } else { "\n" })?;
            f.write_str(line.trim_end())?;
        }
        let hidden = self.matched - self.entries.len() as u64;
        if hidden > 0 { write!(f, "\n({hidden} earlier not shown)") } else { Ok(()) }
    }
}

fn row(entry: &Entry) -> [String; 9] {
    let clean = |text: &str| text.escape_debug().to_string();
    // Whole digests stand in the file; people compare the first digits.
    let value =
        |text: &str| text.parse().map_or_else(|_| clean(text), |digest: Digest| digest.short().to_owned());
    let details: Vec<String> =
        entry.details.iter().map(|(key, text)| format!("{}={}", clean(key), value(text))).collect();
    // Seconds are enough for people; the milliseconds stand in the file.
    let time = entry.time.to_string();
    [
        entry.seq.to_string(),
        format!("{}Z", time.split('.').next().unwrap_or(&time)),
        clean(&entry.actor),
        entry.env.to_string(),
        entry.project.to_string(),
        clean(&entry.action),
        clean(&entry.subject),
        entry.outcome.to_string(),
        details.join(" "),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Outcome, Record};

    #[test]
    fn the_table_is_aligned_and_says_what_it_left_out() {
        let record = |action: &str, subject: &str| {
            Record::new("ada", EnvName::local(), "shop-api".parse().unwrap(), action, subject, Outcome::Done)
        };
        let time = "2026-11-20T10:00:00.123Z".parse().unwrap();
        let one =
            record("refs.publish", "/infrastructure/network").with("names", "vpc-id").follow(None, time);
        let two = record("deploy", "app\n").follow(Some(&one), time);
        let shown = History { entries: vec![one, two], matched: 5 }.to_string();
        assert_eq!(
            shown,
            "\
#  time                  actor  env    project   action        subject                  outcome  details
1  2026-11-20T10:00:00Z  ada    local  shop-api  refs.publish  /infrastructure/network  done     names=vpc-id
2  2026-11-20T10:00:00Z  ada    local  shop-api  deploy        app\\n                    done
(3 earlier not shown)"
        );
    }
}
