//! Making the bucket of Terraform state in R2 ready.

use std::sync::Arc;

use async_trait::async_trait;

use crate::cloudflare::r2::{R2Bucket, R2Found};
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

impl R2Bucket {
    /// The bucket, with where it lies if that is not where it was to lie: nothing can be done about it, and it works there.
    fn lies(&self, found: &R2Found) -> String {
        let place = found.location.as_deref().filter(|_| self.mismatch(found).is_some());
        match place {
            Some(place) => {
                let (place, wanted) = (place.to_ascii_lowercase(), self.wanted_place());
                format!(
                    "{self} (in {}, where R2 put it; `location` in infra.toml says {wanted})",
                    place.escape_debug()
                )
            }
            None => self.to_string(),
        }
    }
}

#[async_trait]
impl StateStore for R2Setup {
    async fn plan_setup(&self) -> Result<SetupPlan> {
        let (place, steps) = match self.bucket.look().await {
            Ok(Some(found)) => (self.bucket.lies(&found), Vec::new()),
            Ok(None) => {
                (self.bucket.to_string(), vec![SetupStep::Create { region: self.bucket.wanted_place() }])
            }
            // Keys that may use objects, and nothing else, do for a bucket that is there.
            Err(error) if error.kind() == ErrorKind::Denied => {
                return self.objects.plan_setup().await.map_err(|_| error);
            }
            Err(error) => return Err(error),
        };
        Ok(SetupPlan { place, steps })
    }

    async fn set_up(&self, plan: &SetupPlan) -> Result<()> {
        for step in &plan.steps {
            match step {
                SetupStep::Create { .. } => drop(self.bucket.create().await?),
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
