//! What an attempt at a repo leaves when it is killed: programs that it started and that live on, in groups of their own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::env::INFRA_RUN_MARK;
use crate::error::Result;
use crate::file::{self, Access};
use crate::process::marked;

/// How long such a program may take to end: Terraform writes its state down first.
const GRACE: Duration = Duration::from_secs(60);

/// More than any note has.
const LONGEST: u64 = 64 * 1024;

/// Notes beside its lock, which it holds, that this attempt runs.
///
/// # Errors
/// `Denied` or `Io` when the file cannot be written.
pub(crate) fn begin(guard: &Path, mark: &str) -> Result<()> {
    file::write(&note(guard), mark.as_bytes(), Access::Private)
}

/// Notes that the attempt came to its end: what it left running was left on purpose, such as a compiler's server.
pub(crate) fn end(guard: &Path) {
    // A note that stays makes the next attempt look for programs, and find none.
    let _ = std::fs::remove_file(note(guard));
}

/// Ends the programs of an attempt that was killed, if the last one was; how many there were. With `only` those of that
/// attempt alone.
///
/// # Errors
/// `Unavailable` when one does not even end when killed; `Denied` or `Io` when the note cannot be read.
pub(crate) async fn end_left(guard: &Path, only: Option<&str>) -> Result<usize> {
    let noted = file::read_text(&note(guard), LONGEST)?.unwrap_or_default();
    if noted.is_empty() || only.is_some_and(|mark| mark != noted) {
        return Ok(0);
    }
    marked::end(INFRA_RUN_MARK, |mark| mark == noted, GRACE).await
}

fn note(guard: &Path) -> PathBuf {
    guard.with_extension("attempt")
}
