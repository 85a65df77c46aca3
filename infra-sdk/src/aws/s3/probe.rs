//! Finding out whether a store can lock, by what it does.

use crate::aws::s3::bucket::{Bucket, OURS};
use crate::error::Result;
use crate::state::Probe;

impl Bucket {
    /// Writes an object twice where it may be created once, and deletes it as what it is not; removes it at the end.
    pub(super) async fn probe(&self) -> Result<Probe> {
        let key = format!("{OURS}/probe/{}", crate::id::unique()?);
        let probed = self.probe_at(&key).await;
        // Also what failed half-way is not left behind.
        let removed = self.delete(&key).await;
        let probe = probed?;
        removed?;
        Ok(probe)
    }

    async fn probe_at(&self, key: &str) -> Result<Probe> {
        self.put_if_absent(key, b"{\"probe\":1}").await?;
        let creates_once = !self.put_if_absent(key, b"{\"probe\":2}").await?;
        // No object has this version.
        let wrong = "\"00000000000000000000000000000000\"";
        let deletes_what_was_seen =
            !self.delete_if_match(key, wrong).await? && self.get(key).await?.is_some();
        Ok(Probe { creates_once, deletes_what_was_seen })
    }
}
