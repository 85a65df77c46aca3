//! Finding `infra.toml` and what it extends, before anything else of it is read.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::config::document;
use crate::config::extends::Extends;
use crate::error::{Error, Result};
use crate::tree::{Keys, Node, ReadOptions, Unknown, read, refused};

/// The file's name, in the folder that all its paths start from.
pub(crate) const NAME: &str = "infra.toml";
/// What to write when there is nothing yet.
pub(crate) const SMALLEST: &str = "the smallest infra.toml is `[project]` with `name = \"shop\"`, `kind = \"api\"` and \
                                   `org = \"acme\"`, each on its own line";

/// Finds and reads `infra.toml`, from `start` upwards to the root of the repo.
pub(crate) fn open(start: &Path) -> Result<(PathBuf, Node)> {
    for folder in start.ancestors() {
        let path = folder.join(NAME);
        if let Some(text) = crate::file::read_text(&path, document::MAX_BYTES)? {
            if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
                return Err(Error::invalid("infra.toml says nothing")
                    .with("path", path.display())
                    .hint(SMALLEST));
            }
            return Ok((folder.to_owned(), document::parse(&text, NAME)?));
        }
        if folder.join(".git").exists() {
            break;
        }
    }
    Err(Error::not_found("there is no infra.toml here or above, up to the root of the repo")
        .with("folder", start.display())
        .hint("change into a repo that has one, or create it")
        .hint(SMALLEST))
}

/// What `infra.toml` extends; the rest of the file is read later, on top of it.
pub(crate) fn extends(file: &Node) -> Result<Option<Extends>> {
    #[derive(Deserialize)]
    struct Head {
        extends: Option<Extends>,
    }
    let options = ReadOptions { unknown: Unknown::Ignore, keys: Keys::default() };
    let head: Head = read(file, options).map_err(|problems| {
        refused("infra.toml names a file to extend that cannot be used", &problems)
            .hint("write it like `extends = { git = \"https://github.com/acme/infrastructure\", tag = \"v1.4.0\" }`")
    })?;
    Ok(head.extends)
}
