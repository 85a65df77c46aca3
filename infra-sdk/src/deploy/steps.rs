//! A rollout in steps: a part of the requests, watched for a while, then more of them.

use std::time::Instant;

use crate::deploy::engine::Engine;
use crate::deploy::progress::Progress;
use crate::deploy::release::Release;
use crate::deploy::report::Outcome;
use crate::deploy::target::{Observation, Status};
use crate::error::{Error, ErrorKind, Result};

impl Engine<'_> {
    /// Starts a release, or lets it have its first part of the requests; the parts that are to follow. Going back takes no
    /// steps, and neither does a release that has nothing beside it.
    pub(super) async fn begin(
        &self,
        before: &Status,
        release: &Release,
        outcome: Outcome,
    ) -> Result<Vec<u8>> {
        let beside =
            before.current.as_ref().filter(|current| **current != release.id && before.active.is_some());
        let shares = outcome == Outcome::RolledOut && beside.is_some();
        let mut parts = self.options.steps.iter().copied().filter(|part| *part < 100 && shares);
        let Some(first) = parts.next() else {
            return self.patiently(self.target.activate(&release.id)).await.map(|()| Vec::new());
        };
        self.patiently(self.target.share(&release.id, first)).await?;
        (self.progress)(Progress::Sharing { release: release.clone(), percent: first });
        Ok(parts.chain([100]).collect())
    }

    /// Gives a release that stayed healthy its next part of the requests.
    pub(super) async fn share(&self, release: &Release, percent: u8) -> Result<()> {
        self.healthy(release).await?;
        self.stays_healthy(release).await?;
        if percent >= 100 {
            return self.patiently(self.target.activate(&release.id)).await;
        }
        self.patiently(self.target.share(&release.id, percent)).await?;
        (self.progress)(Progress::Sharing { release: release.clone(), percent });
        Ok(())
    }

    /// Watches a release for the time of one step. What looks like a start is forgiven while it lasts, for one answer of many
    /// says little; at the end it has to be healthy.
    async fn stays_healthy(&self, release: &Release) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < self.options.step_wait {
            tokio::time::sleep(self.options.poll.min(self.options.step_wait)).await;
            match self.target.observe(&release.id).await {
                Ok(Observation::Unhealthy { why }) => {
                    let what = format!("{release} did not stay healthy: {why}");
                    return Err(Error::new(ErrorKind::Failed, what));
                }
                Err(error) if !error.is_retryable() => return Err(error),
                _ => {}
            }
        }
        self.healthy(release).await
    }
}
