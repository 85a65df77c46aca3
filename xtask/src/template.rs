//! Rendering of `templates/`: every `NAME.in` becomes NAME, strict about what it refers to.

use std::fs;
use std::path::{Path, PathBuf};

use infra_sdk::{Error, Result, ResultExt};
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

/// What the templates may refer to.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Values {
    /// The repo's name.
    pub(crate) name: String,
    /// The organisation.
    pub(crate) org: String,
    /// `api`, `webapp`, `cli` or `infrastructure`.
    pub(crate) kind: String,
    /// What a person calls such a thing: service, site, program.
    pub(crate) noun: String,
    /// Where the SDK is fetched from.
    pub(crate) sdk_git: String,
    /// The tag it is pinned to.
    pub(crate) sdk_tag: String,
}

/// Renders the folders one over the other into `target`; returns the files written, relative and sorted.
///
/// # Errors
/// `NotFound` when a template folder is missing; `Invalid` when a template refers to a name that is not there.
pub(crate) fn render(folders: &[PathBuf], values: &Values, target: &Path) -> Result<Vec<PathBuf>> {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_keep_trailing_newline(true);
    engine.set_trim_blocks(true);
    let mut written = Vec::new();
    for folder in folders {
        for file in files_below(folder)? {
            let relative = file.strip_prefix(folder).context("name a template")?.to_path_buf();
            let target_name = relative.with_extension("");
            let text = fs::read_to_string(&file).context(format!("read the template {}", file.display()))?;
            let rendered = engine.render_str(&text, values).map_err(|error| {
                Error::invalid("render a template").with("template", file.display()).because(error)
            })?;
            let path = target.join(&target_name);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).context(format!("make the folder {}", parent.display()))?;
            }
            fs::write(&path, rendered).context(format!("write {}", path.display()))?;
            written.push(target_name);
        }
    }
    written.sort();
    written.dedup();
    Ok(written)
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).context(format!("read the template folder {}", next.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "in") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
