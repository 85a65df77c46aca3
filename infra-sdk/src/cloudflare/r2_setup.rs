//! Making the bucket of Terraform state in R2 ready.

use std::sync::Arc;

use async_trait::async_trait;

use crate::cloudflare::r2::R2Bucket;
use crate::error::{Error, ErrorKind, Result};
use crate::state::{Probe, SetupPlan, SetupStep, StateStore};

/// The place of states in R2: Cloudflare's API makes the bucket, and S3's protocol tells what it can. R2 encrypts by
/// itself, keeps no versions, and makes nothing public unless told to, so that the bucket is all there is to make.
#[derive(Clone)]
pub struct R2Setup {
    bucket: R2Bucket,
    objects: Arc<dyn StateStore>,
}

impl R2Bucket {
    /// This bucket as a place of states, whose objects `objects` reaches.
    pub fn as_state_store(self, objects: Arc<dyn StateStore>) -> R2Setup {
        R2Setup { bucket: self, objects }
    }
}

#[async_trait]
impl StateStore for R2Setup {
    async fn plan_setup(&self) -> Result<SetupPlan> {
        let steps = match self.bucket.look().await {
            Ok(Some(found)) => match self.bucket.mismatch(&found) {
                Some(error) => return Err(error),
                None => Vec::new(),
            },
            Ok(None) => vec![SetupStep::Create { region: self.bucket.wanted_place() }],
            // Keys that may use objects, and nothing else, do for a bucket that is there.
            Err(error) if error.kind() == ErrorKind::Denied => {
                return self.objects.plan_setup().await.map_err(|_| error);
            }
            Err(error) => return Err(error),
        };
        Ok(SetupPlan { place: self.bucket.to_string(), steps })
    }

    async fn set_up(&self, plan: &SetupPlan) -> Result<()> {
        for step in &plan.steps {
            match step {
                SetupStep::Create { .. } => self.bucket.create().await?,
                other => {
                    return Err(Error::new(ErrorKind::Bug, "R2 knows no such step")
                        .with("step", other)
                        .hint("please report this"));
                }
            }
        }
        Ok(())
    }

    async fn probe(&self) -> Result<Probe> {
        self.objects.probe().await
    }
}
