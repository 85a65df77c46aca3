//! Reading a place's list, page by page.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::config::Visibility;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Answer, Api, Method, Path};
use crate::names::SecretName;
use crate::secrets::{Mark, Stamp, StoredSecret};

/// Entries of a page, GitHub's most.
pub(super) const PAGE: usize = 100;
/// Far more pages than any list has: 1,000 secrets are ten.
const MOST_PAGES: usize = 1000;

/// One secret as GitHub lists it.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    pub(super) name: String,
    updated_at: String,
    /// Of an organisation's secrets only.
    #[serde(default)]
    pub(super) visibility: Option<Visibility>,
}

impl Entry {
    /// The secret, if it has a name that one can have here.
    pub(super) fn stored(&self) -> Option<StoredSecret> {
        let name = SecretName::new(self.name.as_str()).ok()?;
        let updated = self.updated_at.parse().ok();
        Some(StoredSecret { name, stamp: Some(Stamp::new(self.updated_at.as_str())), updated })
    }
}

#[derive(Deserialize)]
struct Secrets {
    secrets: Vec<Entry>,
}

/// A whole list, by name; or that nothing changed.
pub(super) enum Listed {
    Unchanged,
    Now { entries: BTreeMap<String, Entry>, mark: Option<Mark> },
}

/// Lists all secrets below `list`. The mark of a list of one page stands for the whole; a longer one has none, for its
/// first page says nothing about a change on the second.
pub(super) async fn secrets(api: &Api, list: &Path, since: Option<&Mark>) -> Result<Listed> {
    let mut entries = BTreeMap::new();
    let mut call = api.call(Method::Get, list).query("per_page", PAGE);
    if let Some(mark) = since.filter(|mark| is_etag(mark.as_str())) {
        call = call.header("if-none-match", mark.as_str());
    }
    let first = call.send().await?;
    if first.is_unchanged() {
        return Ok(Listed::Unchanged);
    }
    let mark = first.etag().filter(|_| !first.has_next()).map(Mark::new);
    let mut take = |answer: &Answer| {
        let page: Secrets = answer.json()?;
        entries.extend(page.secrets.into_iter().map(|entry| (entry.name.clone(), entry)));
        Ok(())
    };
    take(&first)?;
    rest(api, list, first, take).await?;
    Ok(Listed::Now { entries, mark })
}

#[derive(Deserialize)]
struct Repositories {
    repositories: Vec<Repository>,
}

/// What is needed of a repository.
#[derive(Deserialize)]
pub(super) struct Repository {
    pub(super) id: u64,
}

/// The numbers of the repositories below `list`.
pub(super) async fn repositories(api: &Api, list: &Path) -> Result<Vec<u64>> {
    let mut ids = Vec::new();
    let first = api.call(Method::Get, list).query("per_page", PAGE).send().await?;
    let mut take = |answer: &Answer| {
        let page: Repositories = answer.json()?;
        ids.extend(page.repositories.into_iter().map(|repository| repository.id));
        Ok(())
    };
    take(&first)?;
    rest(api, list, first, take).await?;
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// The pages after the first, until one has no next.
async fn rest(
    api: &Api,
    list: &Path,
    first: Answer,
    mut take: impl FnMut(&Answer) -> Result<()> + Send,
) -> Result<()> {
    let mut last = first;
    for page in 2..=MOST_PAGES {
        if !last.has_next() {
            return Ok(());
        }
        last = api.call(Method::Get, list).query("per_page", PAGE).query("page", page).send().await?;
        take(&last)?;
    }
    Err(Error::new(ErrorKind::Unavailable, "GitHub's list has no end")
        .with("list", list.as_str())
        .hint("check the address of GitHub's API"))
}

/// Whether a mark can have come from GitHub, and so can stand in a header.
fn is_etag(mark: &str) -> bool {
    let quoted = mark.strip_prefix("W/").unwrap_or(mark);
    quoted.len() >= 2
        && quoted.starts_with('"')
        && quoted.ends_with('"')
        && quoted.bytes().all(|byte| byte.is_ascii_graphic())
}
