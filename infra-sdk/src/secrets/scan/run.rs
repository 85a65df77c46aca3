//! The scan as a whole.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::names::SecretName;
use crate::process::Cmd;
use crate::secret::SecretValue;
use crate::secrets::scan::git::Git;
use crate::secrets::scan::needles::Needles;
use crate::secrets::scan::report::{Finding, Place, ScanProgress, ScanReport};
use crate::secrets::scan::search::{Hit, Searcher};
use crate::secrets::scan::{files, history};

/// What is searched; by default the files of the working folder and what is staged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScanOptions {
    /// Only what the next commit takes: for a hook.
    pub staged: bool,
    /// Every file that any ref ever had, and the messages of commits and tags, as well.
    pub history: bool,
}

/// Findings beyond this many are only counted.
const MOST: usize = 5000;

/// Looks for the real values of secrets in the git repo around `root`.
///
/// A value is found as it is, in base64 at any offset, as URLs and JSON write it, and by those of its parts that give it
/// away alone: lines, fields of JSON, the password in a URL. Files may be of any size and need not be text. Searched are
/// tracked files and those that `git add` would take; never ignored ones, such as `.env`, and never what a link leads to.
/// `start` starts git, with the sink, the masks and the cancel token of the run; `progress` is told every thousand files.
///
/// # Errors
/// - `Invalid` when there is no git repo, when a bare one is scanned without `history`, or when the clone lacks a part of
///   the history that shall be scanned;
/// - `NotFound` without git; `Denied` for a file that cannot be read; `Cancelled`; `Io`.
///
/// What is found is no error: see [`ScanReport::require_clean`].
pub async fn scan(
    root: &Path,
    values: &BTreeMap<SecretName, SecretValue>,
    options: ScanOptions,
    start: &(dyn Fn(&Path) -> Cmd + Sync),
    cancel: &CancelToken,
    progress: impl Fn(&ScanProgress) + Send + Sync + 'static,
) -> Result<ScanReport> {
    let git = Git::at(root, start).await?;
    if git.bare && !options.history {
        return Err(Error::invalid("a bare git repo has no files to scan")
            .with("folder", root.display())
            .hint("scan its history with `--history`"));
    }
    let progress = Arc::new(progress);
    let mut findings = Findings::new(Searcher::new(Needles::of(values))?);
    if !git.bare {
        if !options.staged {
            findings = files::worktree(&git, findings, cancel, progress.clone()).await?;
        }
        findings = files::staged(&git, findings).await?;
    }
    if options.history {
        findings = history::history(&git, findings, progress).await?;
    }
    Ok(findings.finish())
}

/// What was found so far.
pub(super) struct Findings {
    pub(super) searcher: Arc<Searcher>,
    pub(super) report: ScanReport,
}

impl Findings {
    fn new(searcher: Searcher) -> Self {
        let report = ScanReport {
            too_short: searcher.needles.too_short.clone(),
            looked_for: searcher.needles.names.len(),
            ..ScanReport::default()
        };
        Findings { searcher: Arc::new(searcher), report }
    }

    /// Notes the hits in one file, whose name is given as git gives it.
    pub(super) fn add(&mut self, place: &Place, file: &[u8], hits: &[Hit], more: usize) {
        self.report.more += more;
        for hit in hits {
            if self.report.findings.len() >= MOST {
                self.report.more += 1;
                continue;
            }
            self.report.findings.push(Finding {
                place: place.clone(),
                file: self.shown(file),
                line: hit.line,
                column: hit.column,
                secret: self.searcher.needles.names[hit.secret].clone(),
                form: hit.spelling.into(),
                part: hit.part,
            });
        }
    }

    /// Notes a folder that belongs to another repo.
    pub(super) fn not_searched(&mut self, folder: &[u8]) {
        let folder = folder.strip_suffix(b"/").unwrap_or(folder);
        self.report.not_searched.push(self.shown(folder));
    }

    /// A name on one line, without values that stand in it.
    fn shown(&self, name: &[u8]) -> String {
        let text = String::from_utf8_lossy(name);
        let masked = self.searcher.needles.masks.apply(&text).into_owned();
        masked
            .chars()
            .flat_map(|c| if c.is_control() { c.escape_debug().collect() } else { vec![c] })
            .collect()
    }

    fn finish(mut self) -> ScanReport {
        let all = &mut self.report.findings;
        all.sort();
        all.dedup();
        // What is staged as it stands in the working folder is one thing to correct.
        let worktree: Vec<Finding> =
            all.iter().filter(|finding| finding.place == Place::Worktree).cloned().collect();
        all.retain(|finding| {
            let here = Finding { place: Place::Worktree, ..finding.clone() };
            finding.place != Place::Staged || worktree.binary_search(&here).is_err()
        });
        self.report
    }
}
