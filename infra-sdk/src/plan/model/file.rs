//! The text of a plan in memory, from a file or a pipe.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::{Error, Result, ResultExt};
use crate::file::failed;
use crate::plan::model::Plan;

/// Larger than any plan: 100,000 resources are 250 MB.
const LARGEST: u64 = 1 << 30;

/// Owns the text that a [`Plan`] borrows from.
///
/// It is read and not memory-mapped: a file that somebody cuts while it is mapped ends the process.
///
/// ```no_run
/// use infra_sdk::plan::PlanJson;
/// let json = PlanJson::read("plan.json")?;
/// println!("{} resources", json.plan()?.resource_changes.len());
/// # Ok::<(), infra_sdk::Error>(())
/// ```
pub struct PlanJson(Vec<u8>);

impl PlanJson {
    /// Reads a file or a pipe of at most 1 GiB.
    ///
    /// # Errors
    /// `NotFound`, `Denied` or `Io` with the path; `Invalid` when it is larger, or a folder.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let mut file = File::open(path).map_err(|error| {
            let is_missing = error.kind() == std::io::ErrorKind::NotFound;
            let error = failed("open a plan", path, error);
            if is_missing {
                error.hint("write it with `terraform show -json PLANFILE > plan.json`")
            } else {
                error
            }
        })?;
        let about = file.metadata().map_err(|error| failed("open a plan", path, error))?;
        if about.is_dir() {
            return Err(Error::invalid("a folder stands where a plan should be")
                .with("path", path.display())
                .hint("name the JSON file of a plan, written by `terraform show -json PLANFILE`"));
        }
        if about.is_file() && about.len() > LARGEST {
            return Err(too_large().with("path", path.display()));
        }
        // One allocation of the right size: growing would need room for the file twice.
        let mut bytes = Vec::with_capacity(usize::try_from(about.len()).unwrap_or_default() + 1);
        let fail = |error| failed("read a plan", path, error);
        file.by_ref().take(LARGEST + 1).read_to_end(&mut bytes).map_err(fail)?;
        Self::new(bytes).map_err(|error| error.with("path", path.display()))
    }

    /// Reads to the end of a stream of at most 1 GiB, such as standard input.
    ///
    /// # Errors
    /// `Io` when it cannot be read; `Invalid` when it is larger.
    pub fn from_reader(reader: impl Read) -> Result<Self> {
        let mut bytes = Vec::new();
        reader.take(LARGEST + 1).read_to_end(&mut bytes).context("read a plan")?;
        Self::new(bytes)
    }

    /// Takes a text that is in memory already.
    ///
    /// # Errors
    /// `Invalid` when it is larger than 1 GiB.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self> {
        let bytes = bytes.into();
        if bytes.len() as u64 > LARGEST { Err(too_large()) } else { Ok(PlanJson(bytes)) }
    }

    /// Reads the plan in it.
    ///
    /// # Errors
    /// As [`Plan::parse`].
    pub fn plan(&self) -> Result<Plan<'_>> {
        Plan::parse(&self.0)
    }

    /// The text. It holds secrets in clear.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

fn too_large() -> Error {
    Error::invalid("the plan is larger than 1 GiB")
        .hint("check that this is the file you meant; split a stack that really is this large")
}

impl fmt::Debug for PlanJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlanJson({} bytes)", self.0.len())
    }
}
