//! Searching every object of the history once, and asking afterwards which commit brought those with a value in them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::error::Result;
use crate::secrets::scan::files::new_file;
use crate::secrets::scan::git::Git;
use crate::secrets::scan::objects::{Found, Kind, Objects, OnProgress};
use crate::secrets::scan::report::Place;
use crate::secrets::scan::run::Findings;

/// Searches the objects of every ref.
///
/// All objects of the repo are searched in the order they are packed in, which is several times faster than the order of
/// the history and needs no list of them. What no ref leads to is left out of the report: nobody gets it by a clone.
pub(super) async fn history(git: &Git<'_>, mut findings: Findings, progress: OnProgress) -> Result<Findings> {
    git.require_whole_history().await?;
    let objects = Objects::new(findings.searcher.clone(), progress, findings.report.searched);
    let all = ["cat-file", "--batch", "--batch-all-objects", "--unordered"];
    let objects = git.cmd(&all).fold(objects, Objects::push).await?.finish()?;
    findings.report.searched.objects += objects.count;
    findings.report.searched.bytes += objects.bytes;
    if objects.found.is_empty() {
        return Ok(findings);
    }
    let origins = origins(git, &objects.found).await?;
    for found in &objects.found {
        if let Some((place, file)) = origins.get(&found.id) {
            findings.add(place, file, &found.hits, found.more);
        }
    }
    Ok(findings)
}

/// Where each object comes from: the oldest commit that has it, and its name there.
type Origins = BTreeMap<String, (Place, Vec<u8>)>;

async fn origins(git: &Git<'_>, found: &[Found]) -> Result<Origins> {
    let ids: Arc<BTreeMap<String, Kind>> =
        Arc::new(found.iter().map(|found| (found.id.clone(), found.kind)).collect());
    let mut origins = of_commits(git, ids.clone()).await?;
    if ids.keys().any(|id| !origins.contains_key(id)) {
        origins.extend(of_other_refs(git, ids, origins.keys().cloned().collect()).await?);
    }
    Ok(origins)
}

/// Walks all commits, none before what came of it, so that the last one to bring an object is the oldest: by their times alone
/// one of another branch may come first, where two are of the same second or a clock was wrong.
async fn of_commits(git: &Git<'_>, ids: Arc<BTreeMap<String, Kind>>) -> Result<Origins> {
    let log = [
        "log",
        "--all",
        "--topo-order",
        "--raw",
        "-z",
        "--no-abbrev",
        "--no-renames",
        "-m",
        "--format=%H",
        "--no-ext-diff",
    ];
    let mut commit = String::new();
    let mut file: Option<String> = None;
    let words = Words::new(move |origins: &mut Origins, word: &[u8]| {
        let word = word.strip_prefix(b"\n").unwrap_or(word);
        if let Some(id) = file.take() {
            if ids.contains_key(&id) {
                origins.insert(id, (Place::Commit(commit.clone()), word.to_owned()));
            }
        } else if word.starts_with(b":") {
            // A name follows, whatever this is.
            file = Some(new_file(word).unwrap_or_default());
        } else if !word.is_empty() {
            commit = String::from_utf8_lossy(word).into_owned();
            if ids.contains_key(&commit) {
                origins.insert(
                    commit.clone(),
                    (Place::Commit(commit.clone()), b"message of the commit".to_vec()),
                );
            }
        }
    });
    words.of(git, &log, 0).await
}

/// Refs to tags, files and folders, outside of every commit.
async fn of_other_refs(
    git: &Git<'_>,
    ids: Arc<BTreeMap<String, Kind>>,
    known: BTreeSet<String>,
) -> Result<Origins> {
    let words = Words::new(move |origins: &mut Origins, line: &[u8]| {
        let mut parts = line.splitn(2, |byte| *byte == b' ');
        let id = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
        let Some(kind) = ids.get(&id).filter(|_| !known.contains(&id)) else { return };
        let name = match (kind, parts.next().filter(|name| !name.is_empty())) {
            (Kind::Tag, _) => b"message of the tag".to_vec(),
            (_, Some(name)) => name.to_vec(),
            (_, None) => b"file without a name".to_vec(),
        };
        origins.insert(id.clone(), (Place::Object(id), name));
    });
    words.of(git, &["rev-list", "--objects", "--all"], b'\n').await
}

/// Cuts what a command prints into words and hands out each.
struct Words<T>(T);

impl<T: FnMut(&mut Origins, &[u8]) + Send + 'static> Words<T> {
    fn new(take: T) -> Self {
        Words(take)
    }

    async fn of(mut self, git: &Git<'_>, args: &[&str], end: u8) -> Result<Origins> {
        let take = move |(word, origins): &mut (Vec<u8>, Origins), mut piece: &[u8]| {
            while let Some(at) = piece.iter().position(|byte| *byte == end) {
                word.extend_from_slice(&piece[..at]);
                (self.0)(origins, word);
                word.clear();
                piece = &piece[at + 1..];
            }
            word.extend_from_slice(piece);
        };
        let (_, origins) = git.cmd(args).fold((Vec::new(), Origins::new()), take).await?;
        Ok(origins)
    }
}
