//! What an attempt at a repo leaves: that it ended well, or programs that live on in groups of their own when it was killed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::env::INFRA_RUN_MARK;
use crate::error::Result;
use crate::file::{self, Access};
use crate::process::marked;
use crate::runs::Job;

/// How long such a program may take to end: Terraform writes its state down first.
const GRACE: Duration = Duration::from_secs(60);

/// More than any note has.
const LONGEST: u64 = 64 * 1024;

/// What stands for a commit that nobody knows, or that is not all of what is deployed.
const UNKNOWN: &str = "/-";

/// What stands for one attempt; its number comes last, and the commit before it.
pub(super) fn mark(job: &Job, commit: Option<&str>) -> String {
    let Job { run, env, repo, attempt, .. } = job;
    match commit {
        Some(commit) => format!("{run}/{env}/{repo}/{commit}/{attempt}"),
        None => format!("{run}/{env}/{repo}{UNKNOWN}/{attempt}"),
    }
}

/// Notes beside its lock, which it holds, that this attempt runs.
///
/// # Errors
/// `Denied` or `Io` when the file cannot be written.
pub(crate) fn begin(guard: &Path, mark: &str) -> Result<()> {
    file::write(&running(guard), mark.as_bytes(), Access::Private)
}

/// Notes that the attempt came to its end, and whether to a good one. What it left running was left on purpose, such as a
/// compiler's server.
pub(crate) fn end(guard: &Path, mark: &str, well: bool) {
    if well {
        // Without it an attempt that nobody heard of is begun again, as one on another machine would be.
        let _ = file::write(&ended_well(guard), mark.as_bytes(), Access::Private);
    }
    // A note that stays makes the next attempt look for programs, and find none.
    let _ = std::fs::remove_file(running(guard));
}

/// The number of an earlier attempt of the same run, at the same commit, that ended well on this machine: its agent may not
/// have lived to tell.
///
/// # Errors
/// `Denied` or `Io` when the note cannot be read.
pub(crate) fn had_ended_well(guard: &Path, mark: &str) -> Result<Option<u32>> {
    let noted = file::read_text(&ended_well(guard), LONGEST)?.unwrap_or_default();
    let (Some((noted, before)), Some((mark, this))) = (noted.rsplit_once('/'), mark.rsplit_once('/')) else {
        return Ok(None);
    };
    let (before, this): (Option<u32>, Option<u32>) = (before.parse().ok(), this.parse().ok());
    let same = noted == mark && !mark.ends_with(UNKNOWN);
    Ok(before.filter(|before| same && this.is_some_and(|this| *before < this)))
}

/// Ends the programs of an attempt that was killed, if the last one was; how many there were. With `only` those of that
/// attempt alone.
///
/// # Errors
/// `Unavailable` when one does not even end when killed; `Denied` or `Io` when the note cannot be read.
pub(crate) async fn end_left(guard: &Path, only: Option<&str>) -> Result<usize> {
    let noted = file::read_text(&running(guard), LONGEST)?.unwrap_or_default();
    if noted.is_empty() || only.is_some_and(|mark| mark != noted) {
        return Ok(0);
    }
    marked::end(INFRA_RUN_MARK, |mark| mark == noted, GRACE).await
}

fn running(guard: &Path) -> PathBuf {
    guard.with_extension("attempt")
}

fn ended_well(guard: &Path) -> PathBuf {
    guard.with_extension("deployed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_end_counts_for_later_attempts_of_the_same_run_at_the_same_commit() {
        let folder = std::env::temp_dir().join(format!("infra-sdk-attempt-{}", crate::id::short().unwrap()));
        std::fs::create_dir(&folder).unwrap();
        let guard = folder.join("local.api.lock");
        assert_eq!(had_ended_well(&guard, "r1/local/api/abc/1").unwrap(), None);
        end(&guard, "r1/local/api/abc/1", false);
        assert_eq!(had_ended_well(&guard, "r1/local/api/abc/2").unwrap(), None);
        end(&guard, "r1/local/api/abc/1", true);
        let found = |mark: &str| had_ended_well(&guard, mark).unwrap();
        assert_eq!(found("r1/local/api/abc/2"), Some(1));
        for other in ["r1/local/api/abc/1", "r2/local/api/abc/2", "r1/local/api/def/2", "", "2"] {
            assert_eq!(found(other), None, "{other}");
        }
        end(&guard, "r1/local/api/-/1", true);
        assert_eq!(
            had_ended_well(&guard, "r1/local/api/-/2").unwrap(),
            None,
            "nobody knows what it deployed"
        );
        std::fs::remove_dir_all(folder).unwrap();
    }
}
