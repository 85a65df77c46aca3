//! Services that lost their supervisor: found by the release in their environment, and ended.

use std::time::Duration;

use crate::deploy::ReleaseId;
use crate::error::Result;
use crate::local::deploy::folder::Folder;
use crate::process::marked;

/// The variable that names the release a process was started for.
const RELEASE: &str = "RELEASE";

/// Ends every process that was started for a release of this folder: asks, waits for at
/// most `grace`, then kills. The caller holds the right to supervise, so nobody else's service is among them.
///
/// Only Linux lets one look; elsewhere the service of a killed supervisor is met as a taken port.
pub(super) async fn end(folder: &Folder, grace: Duration) -> Result<usize> {
    marked::end(RELEASE, |id| release(folder, id).is_some(), grace).await
}

/// The releases of this folder that have a living process, supervised or not.
pub(super) fn releases(folder: &Folder) -> Result<Vec<ReleaseId>> {
    marked::find(RELEASE, |id| release(folder, id))
}

fn release(folder: &Folder, id: &str) -> Option<ReleaseId> {
    id.parse().ok().filter(|id| folder.release_dir(id).is_dir())
}
