//! The index of who reads what: each repo's own part, and the parts of all put together.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, Result};
use crate::file::{self, Access};
use crate::infra::open::Infra;
use crate::plan::impact::Readers;

/// Where a repo keeps its index of readers.
const INDEX: &str = "infra/readers.toml";

/// More than the references of thousands of repos.
const LARGEST: u64 = 64_000_000;

/// An index that was made.
#[derive(Clone, Debug, Serialize)]
pub struct Indexed {
    /// The index, as TOML.
    pub index: String,
    /// Where it was written, if it was.
    pub file: Option<PathBuf>,
    /// How many references it has.
    pub readers: usize,
    /// Of how many repos.
    pub repos: usize,
}

impl fmt::Display for Indexed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => {
                let many = |count: usize, what: &str| match count {
                    1 => format!("1 {what}"),
                    count => format!("{count} {what}s"),
                };
                let (readers, repos) = (many(self.readers, "reference"), many(self.repos, "repo"));
                write!(f, "{readers} of {repos}, in {}", file.display())
            }
            None => f.write_str(self.index.trim_end()),
        }
    }
}

impl Infra {
    /// The index of readers that the repo keeps as `infra/readers.toml`; none where it keeps none.
    ///
    /// # Errors
    /// `Invalid` with every place that is wrong.
    pub fn known_readers(&self) -> Result<Option<Readers>> {
        let text = file::read_text(&self.config().root().join(INDEX), LARGEST)?;
        text.map(|text| Readers::parse(&text, INDEX)).transpose()
    }

    /// What this repo reads of others in this environment: its part of an index of readers.
    pub fn readers(&self) -> Readers {
        let settings = self.settings();
        Readers::of_refs(&settings.project.name, &settings.refs, Some(self.environment()))
    }

    /// Puts this repo's part and `parts` together, and writes the index to `out` where that is given.
    ///
    /// # Errors
    /// `NotFound` when a part is not there; `Invalid` with every place that is wrong; `Denied` or `Io` when it cannot be
    /// written.
    pub fn index_readers(&self, parts: &[PathBuf], out: Option<&Path>) -> Result<Indexed> {
        let mut indexes = vec![self.readers()];
        for path in parts {
            let name = path.display().to_string();
            let text = file::read_text(path, LARGEST)?.ok_or_else(|| {
                Error::not_found("a part of the index is not there")
                    .with("path", &name)
                    .hint("make it in that repo with `cargo xtask infra:refs:readers --out FILE`")
            })?;
            indexes.push(Readers::parse(&text, &name)?);
        }
        let all = Readers::merged(indexes).unwrap_or_else(|| self.readers());
        let (index, readers, repos) = (all.to_toml()?, all.readers.len(), all.repos().len());
        if let Some(out) = out {
            file::write(out, index.as_bytes(), Access::Shared)?;
        }
        Ok(Indexed { index, file: out.map(Path::to_owned), readers, repos })
    }
}
