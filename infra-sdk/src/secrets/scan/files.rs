//! Searching the files of the working folder, and what the next commit takes.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result};
use crate::file::failed;
use crate::secrets::scan::git::{Git, path_of};
use crate::secrets::scan::objects::{Objects, OnProgress};
use crate::secrets::scan::report::{Place, ScanProgress};
use crate::secrets::scan::run::Findings;

/// Files between two reports of progress.
const STEP: u64 = 1000;

/// Searches every file git tracks or would take, as it stands in the working folder.
pub(super) async fn worktree(
    git: &Git<'_>,
    mut findings: Findings,
    cancel: &CancelToken,
    progress: OnProgress,
) -> Result<Findings> {
    let listed = git.bytes(&["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).await?;
    let (folder, cancel) = (git.folder().to_owned(), cancel.clone());
    let work = tokio::task::spawn_blocking(move || {
        let mut before: &[u8] = b"";
        for name in listed.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            if cancel.is_cancelled() {
                return Err(Error::new(ErrorKind::Cancelled, "the scan was cancelled")
                    .exit_with(130)
                    .hint("start it again"));
            }
            // A file in conflict is listed three times in a row.
            if name != before {
                let searched = one(&folder, name, &mut findings)?;
                if searched && findings.report.searched.files.is_multiple_of(STEP) {
                    progress(&findings.report.searched);
                }
            }
            before = name;
        }
        Ok(findings)
    });
    work.await.map_err(|error| {
        Error::new(ErrorKind::Bug, "the scan of the files broke off")
            .because(error)
            .hint("please report this")
    })?
}

/// Searches one file; `false` when there is nothing to search.
fn one(folder: &Path, name: &[u8], findings: &mut Findings) -> Result<bool> {
    let path = folder.join(path_of(name));
    let meta = match std::fs::symlink_metadata(&path) {
        Ok(meta) => meta,
        Err(error) => return gone_or(&path, error),
    };
    if meta.is_dir() {
        // A submodule, or a clone of another repo.
        findings.not_searched(name);
        return Ok(false);
    }
    // What a link leads to is a file of its own, or none of this repo.
    if !meta.is_file() {
        return Ok(false);
    }
    let mut stream = findings.searcher.stream();
    let mut file = match std::fs::File::open(&path) {
        Ok(file) => file,
        Err(error) => return gone_or(&path, error),
    };
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => {
                stream.push(&buffer[..length]);
                findings.report.searched.bytes += length as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed("read a file", &path, error)),
        }
    }
    findings.report.searched.files += 1;
    let (hits, more) = stream.finish();
    findings.add(&Place::Worktree, name, &hits, more);
    Ok(true)
}

/// A file that was removed holds nothing; one that cannot be read may.
fn gone_or(path: &Path, error: std::io::Error) -> Result<bool> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    match error.kind() {
        NotFound | NotADirectory => Ok(false),
        _ => Err(Error::new(ErrorKind::Denied, "a file cannot be searched")
            .with("path", path.display())
            .because(error)
            .hint("make it readable for this user, or let `.gitignore` name it")),
    }
}

/// Searches what is staged: the index, not the working folder.
pub(super) async fn staged(git: &Git<'_>, mut findings: Findings) -> Result<Findings> {
    let changed = staged_files(git).await?;
    if changed.is_empty() {
        return Ok(findings);
    }
    let asked: String = changed.keys().map(|id| format!("{id}\n")).collect();
    // Staged files are few: nobody waits for them.
    let objects = Objects::new(findings.searcher.clone(), Arc::new(|_| {}), ScanProgress::default());
    let objects =
        git.cmd(&["cat-file", "--batch"]).stdin(asked).fold(objects, Objects::push).await?.finish()?;
    findings.report.searched.staged += objects.count;
    findings.report.searched.bytes += objects.bytes;
    for found in objects.found {
        for name in changed.get(&found.id).into_iter().flatten() {
            findings.add(&Place::Staged, name, &found.hits, found.more);
        }
    }
    Ok(findings)
}

/// The new content of every staged file by its id, with the names it has.
async fn staged_files(git: &Git<'_>) -> Result<BTreeMap<String, Vec<Vec<u8>>>> {
    let args = [
        "diff",
        "--cached",
        "--raw",
        "-z",
        "--no-abbrev",
        "--no-renames",
        "--diff-filter=d",
        "--no-ext-diff",
    ];
    let printed = git.bytes(&args).await?;
    let mut words = printed.split(|byte| *byte == 0);
    let mut files: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    while let (Some(about), Some(name)) = (words.next(), words.next()) {
        if let Some(id) = new_file(about) {
            files.entry(id).or_default().push(name.to_owned());
        }
    }
    Ok(files)
}

/// The id of the file in `:MODE MODE ID ID STATUS`: not for folders of submodules, and not for files in conflict.
pub(super) fn new_file(about: &[u8]) -> Option<String> {
    let about = std::str::from_utf8(about).ok()?.trim_start_matches('\n').strip_prefix(':')?;
    let mut words = about.split(' ');
    let (mode, id) = (words.nth(1)?, words.nth(1)?);
    let is_file = mode.starts_with("100") || mode == "120000";
    (is_file && id.bytes().any(|digit| digit != b'0')).then(|| id.to_owned())
}
