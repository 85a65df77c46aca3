//! Making a bucket a safe place for states: what it lacks is read and told.

use async_trait::async_trait;
use aws_sdk_s3::types::{BucketVersioningStatus, ServerSideEncryption};

use crate::aws::fault::{Call, Fault};
use crate::aws::s3::bucket::{Bucket, Kind, answered, fault};
use crate::aws::s3::policy::Policy;
use crate::aws::s3::state::S3State;
use crate::error::{Error, ErrorKind, Result};
use crate::state::{Probe, SetupPlan, SetupStep, StateStore};

#[async_trait]
impl StateStore for S3State {
    async fn plan_setup(&self) -> Result<SetupPlan> {
        let bucket = &self.bucket;
        let steps = match &bucket.kind {
            // It has nothing of the rest.
            Kind::R2 { .. } => bucket.is_there_in_r2().await.map(|()| Vec::new())?,
            Kind::S3 { kms_key } => bucket.missing(kms_key.as_deref()).await?,
        };
        Ok(SetupPlan { place: bucket.to_string(), steps })
    }

    async fn set_up(&self, plan: &SetupPlan) -> Result<()> {
        for step in &plan.steps {
            self.bucket.carry_out(step).await?;
        }
        Ok(())
    }

    async fn probe(&self) -> Result<Probe> {
        self.bucket.probe().await
    }
}

impl Bucket {
    async fn missing(&self, kms_key: Option<&str>) -> Result<Vec<SetupStep>> {
        let encrypt = SetupStep::Encrypt { key: kms_key.map(str::to_owned) };
        if !self.is_there().await? {
            let create = SetupStep::Create { region: self.aws.region().to_owned() };
            let steps = [
                create,
                SetupStep::BlockPublicAccess,
                encrypt,
                SetupStep::KeepVersions,
                SetupStep::RequireTls,
            ];
            return Ok(steps.into());
        }
        let mut steps = Vec::new();
        if !self.blocks_public_access().await? {
            steps.push(SetupStep::BlockPublicAccess);
        }
        if !self.encrypts_with(kms_key).await? {
            steps.push(encrypt);
        }
        if !self.keeps_versions().await? {
            steps.push(SetupStep::KeepVersions);
        }
        if !self.policy().await?.requires_tls() {
            steps.push(SetupStep::RequireTls);
        }
        Ok(steps)
    }

    async fn is_there_in_r2(&self) -> Result<()> {
        match self.list("", 1).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(Error::not_found(
                "there is no such bucket in R2",
            )
            .with("bucket", self)
            .hint(format!(
                "make it in Cloudflare's dashboard, or with `npx wrangler r2 bucket create {}`",
                self.name
            ))
            .hint(
                "or set CLOUDFLARE_API_TOKEN to a token with `Workers R2 Storage: Edit`, and it is made here",
            )),
            Err(error) => Err(error),
        }
    }

    /// The account that must own the bucket: names of buckets are the whole world's, and who has the wanted one may let
    /// everybody write.
    pub(super) fn owner(&self) -> Option<String> {
        match self.kind {
            Kind::S3 { .. } => self.aws.account().map(str::to_owned),
            Kind::R2 { .. } => None,
        }
    }

    /// Refuses a bucket of somebody else before Terraform gets to know it, which does not ask itself.
    pub(super) async fn require_own(&self) -> Result<()> {
        if self.owner().is_none() || self.is_there().await? {
            return Ok(());
        }
        Err(Error::not_found("the bucket for Terraform state is not there").with("bucket", self).hint(
            "make it with `cargo xtask infra:state:setup`, or correct `state` of this environment in infra.toml",
        ))
    }

    pub(super) fn call(&self, action: &'static str) -> Call<'_> {
        Call { action, on: &self.name }
    }

    async fn is_there(&self) -> Result<bool> {
        self.again(|_| async {
            let answer = self
                .link()
                .await?
                .client
                .head_bucket()
                .bucket(&self.name)
                .set_expected_bucket_owner(self.owner())
                .send()
                .await;
            let region = match answer {
                Ok(answer) => answer.bucket_region,
                Err(error) => {
                    let header = error
                        .raw_response()
                        .and_then(|response| response.headers().get("x-amz-bucket-region"));
                    let region = header.map(str::to_owned);
                    let fault = fault(self.call("s3:ListBucket"), &error);
                    match answered(&fault).0 {
                        404 => return Ok(false),
                        // This answer has no body, and so no code.
                        403 => return Err(self.not_ours(region.as_deref())),
                        301 | 400 if region.is_some() => region,
                        _ => return Err(fault.into()),
                    }
                }
            };
            match region {
                Some(region) if region != self.aws.region() && self.aws.endpoint("S3")?.is_none() => {
                    Err(Error::invalid("the bucket is in another region")
                        .with("bucket", self)
                        .with("region", &region)
                        .with("wanted", self.aws.region())
                        .hint(format!(
                            "write `region = \"{region}\"` into `state` of the environment in infra.toml"
                        )))
                }
                _ => Ok(true),
            }
        })
        .await
    }

    fn not_ours(&self, region: Option<&str>) -> Error {
        let error = Error::new(ErrorKind::Denied, "AWS does not allow this")
            .with("permission", "s3:ListBucket")
            .with("on", self);
        let error = match region {
            Some(region) => error.with("region", region),
            None => error,
        };
        error.hint("give this permission to the user or role that the credentials belong to").hint(
            "if the bucket is another account's, choose another name: names are the same for all accounts",
        )
    }

    /// What a request for a setting gave; `None` where S3 says by this code that there is none.
    fn setting<T>(none: &str, answer: std::result::Result<T, Fault>) -> Result<Option<T>> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(fault) if answered(&fault).1 == none => Ok(None),
            Err(fault) => Err(fault.into()),
        }
    }

    async fn blocks_public_access(&self) -> Result<bool> {
        let call = self.call("s3:GetBucketPublicAccessBlock");
        self.again(|_| async {
            let answer = self
                .link()
                .await?
                .client
                .get_public_access_block()
                .bucket(&self.name)
                .set_expected_bucket_owner(self.owner())
                .send()
                .await;
            let answer = answer.map_err(|error| fault(call, &error));
            let found = Self::setting("NoSuchPublicAccessBlockConfiguration", answer)?;
            let found = found.and_then(|answer| answer.public_access_block_configuration);
            Ok(found.is_some_and(|block| {
                [
                    block.block_public_acls,
                    block.ignore_public_acls,
                    block.block_public_policy,
                    block.restrict_public_buckets,
                ]
                .iter()
                .all(|on| *on == Some(true))
            }))
        })
        .await
    }

    async fn encrypts_with(&self, kms_key: Option<&str>) -> Result<bool> {
        let call = self.call("s3:GetEncryptionConfiguration");
        self.again(|_| async {
            let answer = self
                .link()
                .await?
                .client
                .get_bucket_encryption()
                .bucket(&self.name)
                .set_expected_bucket_owner(self.owner())
                .send()
                .await;
            let answer = answer.map_err(|error| fault(call, &error));
            let found = Self::setting("ServerSideEncryptionConfigurationNotFoundError", answer)?;
            let rules = found.and_then(|answer| answer.server_side_encryption_configuration);
            let rules = rules.map(|rules| rules.rules).unwrap_or_default();
            Ok(rules.iter().filter_map(|rule| rule.apply_server_side_encryption_by_default.as_ref()).any(
                |rule| {
                    match kms_key {
                        // What is encrypted with any key of KMS is no less safe.
                        None => true,
                        Some(wanted) => {
                            rule.sse_algorithm == ServerSideEncryption::AwsKms
                                && rule
                                    .kms_master_key_id
                                    .as_deref()
                                    .is_some_and(|known| is_same_key(known, wanted))
                        }
                    }
                },
            ))
        })
        .await
    }

    async fn keeps_versions(&self) -> Result<bool> {
        let call = self.call("s3:GetBucketVersioning");
        self.again(|_| async {
            let answer = self
                .link()
                .await?
                .client
                .get_bucket_versioning()
                .bucket(&self.name)
                .set_expected_bucket_owner(self.owner())
                .send()
                .await;
            let answer = answer.map_err(|error| Error::from(fault(call, &error)))?;
            Ok(answer.status == Some(BucketVersioningStatus::Enabled))
        })
        .await
    }

    pub(super) async fn policy(&self) -> Result<Policy> {
        let call = self.call("s3:GetBucketPolicy");
        self.again(|_| async {
            let answer = self
                .link()
                .await?
                .client
                .get_bucket_policy()
                .bucket(&self.name)
                .set_expected_bucket_owner(self.owner())
                .send()
                .await;
            let answer = answer.map_err(|error| fault(call, &error));
            let found = Self::setting("NoSuchBucketPolicy", answer)?.and_then(|answer| answer.policy);
            Policy::parse(found.as_deref(), &self.name, self.aws.region())
        })
        .await
    }
}

/// Whether two names are of one KMS key, as far as names tell: an id stands at the end of its ARN.
fn is_same_key(known: &str, wanted: &str) -> bool {
    let end = |name: &str| name.rsplit_once("key/").map_or(name, |(_, id)| id).to_owned();
    known == wanted || end(known) == end(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_and_its_arn_are_the_same() {
        let arn = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd";
        assert!(is_same_key(arn, "1234abcd") && is_same_key("1234abcd", arn) && is_same_key(arn, arn));
        assert!(!is_same_key(arn, "alias/state") && !is_same_key(arn, "1234"));
    }
}
