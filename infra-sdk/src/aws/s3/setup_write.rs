//! What is added to a bucket to make it a safe place for states, one thing a request.

use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration,
    PublicAccessBlockConfiguration, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule, VersioningConfiguration,
};

use crate::aws::s3::bucket::{Bucket, answered, fault};
use crate::error::{Error, ErrorKind, Result};
use crate::state::SetupStep;

/// The only region that must not be named when a bucket is made
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html>).
const UNNAMED: &str = "us-east-1";

impl Bucket {
    /// Does one step; a step that was done already may be done again.
    pub(super) async fn carry_out(&self, step: &SetupStep) -> Result<()> {
        self.aws.before_write().await?;
        self.again(|_| async {
            match step {
                SetupStep::Create { .. } => self.create().await,
                SetupStep::BlockPublicAccess => self.block_public_access().await,
                SetupStep::Encrypt { key } => self.encrypt(key.clone()).await,
                SetupStep::KeepVersions => self.keep_versions().await,
                SetupStep::RequireTls => self.require_tls().await,
            }
        })
        .await
    }

    async fn create(&self) -> Result<()> {
        let region = self.aws.region();
        let place =
            CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::from(region));
        let place = (region != UNNAMED).then(|| place.build());
        let request = self.link().await?.client.create_bucket().bucket(&self.name);
        match request.set_create_bucket_configuration(place).send().await {
            Ok(_) => Ok(()),
            Err(error) => {
                let fault = fault(self.call("s3:CreateBucket"), &error);
                if answered(&fault).1 == "BucketAlreadyOwnedByYou" { Ok(()) } else { Err(fault.into()) }
            }
        }
    }

    async fn block_public_access(&self) -> Result<()> {
        let all = PublicAccessBlockConfiguration::builder()
            .block_public_acls(true)
            .ignore_public_acls(true)
            .block_public_policy(true)
            .restrict_public_buckets(true)
            .build();
        let request = self
            .link()
            .await?
            .client
            .put_public_access_block()
            .bucket(&self.name)
            .set_expected_bucket_owner(self.owner());
        let answer = request.public_access_block_configuration(all).send().await;
        answer.map(drop).map_err(|error| fault(self.call("s3:PutBucketPublicAccessBlock"), &error).into())
    }

    async fn encrypt(&self, key: Option<String>) -> Result<()> {
        let kms = key.is_some();
        let way = if kms { ServerSideEncryption::AwsKms } else { ServerSideEncryption::Aes256 };
        let made = |error| Error::new(ErrorKind::Bug, "write the encryption of a bucket").because(error);
        let rule = ServerSideEncryptionByDefault::builder().sse_algorithm(way).set_kms_master_key_id(key);
        let rule = ServerSideEncryptionRule::builder()
            .apply_server_side_encryption_by_default(rule.build().map_err(made)?)
            // One request to KMS for many objects.
            .bucket_key_enabled(kms)
            .build();
        let rules = ServerSideEncryptionConfiguration::builder().rules(rule).build().map_err(made)?;
        let request = self
            .link()
            .await?
            .client
            .put_bucket_encryption()
            .bucket(&self.name)
            .set_expected_bucket_owner(self.owner());
        let answer = request.server_side_encryption_configuration(rules).send().await;
        answer.map(drop).map_err(|error| fault(self.call("s3:PutEncryptionConfiguration"), &error).into())
    }

    async fn keep_versions(&self) -> Result<()> {
        let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        let request = self
            .link()
            .await?
            .client
            .put_bucket_versioning()
            .bucket(&self.name)
            .set_expected_bucket_owner(self.owner());
        let answer = request.versioning_configuration(on).send().await;
        answer.map(drop).map_err(|error| fault(self.call("s3:PutBucketVersioning"), &error).into())
    }

    /// Reads the policy anew: what others put there since the plan was made stays.
    async fn require_tls(&self) -> Result<()> {
        let policy = self.policy().await?;
        if policy.requires_tls() {
            return Ok(());
        }
        let request = self
            .link()
            .await?
            .client
            .put_bucket_policy()
            .bucket(&self.name)
            .set_expected_bucket_owner(self.owner());
        let answer = request.policy(policy.with_tls()).send().await;
        answer.map(drop).map_err(|error| fault(self.call("s3:PutBucketPolicy"), &error).into())
    }
}
