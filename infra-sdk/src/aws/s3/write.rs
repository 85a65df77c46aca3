//! Writing and deleting objects, where what was seen before is still there.

use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ServerSideEncryption;

use crate::aws::fault::{Call, Fault};
use crate::aws::s3::bucket::{Bucket, Kind, answered, fault};
use crate::error::{Error, Result};

/// The metadata by which a writer knows its own object again, when the answer to its write was lost.
const WRITER: &str = "infra-sdk-writer";

/// What must hold for a write.
#[derive(Clone, Copy)]
enum When<'a> {
    Absent,
    Unchanged(&'a str),
}

impl Bucket {
    /// Creates an object. `false` when there is one already, by whomever.
    pub(super) async fn put_if_absent(&self, key: &str, bytes: &[u8]) -> Result<bool> {
        self.put_when(key, bytes, When::Absent).await
    }

    /// Replaces the version of an object that was seen. `false` when it is another one by now, or gone.
    pub(super) async fn put_if_match(&self, key: &str, etag: &str, bytes: &[u8]) -> Result<bool> {
        self.put_when(key, bytes, When::Unchanged(etag)).await
    }

    async fn put_when(&self, key: &str, bytes: &[u8], when: When<'_>) -> Result<bool> {
        self.aws.before_write().await?;
        let writer = crate::id::unique()?;
        // Whether an earlier attempt may have been carried out although its answer was lost.
        let unsure = AtomicBool::new(false);
        let (writer, unsure) = (writer.as_str(), &unsure);
        self.again(|_| async move {
            let Err(fault) = self.put_once(key, bytes, when, writer).await? else { return Ok(true) };
            let refused = match (answered(&fault), when) {
                ((412, _), _) => true,
                // What was seen is gone; without a key the whole bucket is.
                ((404, code), When::Unchanged(_)) => code != "NoSuchBucket",
                _ => false,
            };
            if refused {
                return Ok(unsure.load(Ordering::Relaxed) && self.is_written_by(key, writer).await?);
            }
            let error = Error::from(fault);
            if error.is_retryable() {
                unsure.store(true, Ordering::Relaxed);
            }
            Err(error)
        })
        .await
    }

    async fn put_once(
        &self,
        key: &str,
        bytes: &[u8],
        when: When<'_>,
        writer: &str,
    ) -> Result<std::result::Result<(), Fault>> {
        let place = self.place(key);
        let call = Call { action: "s3:PutObject", on: &place };
        let request = self
            .link()
            .await?
            .client
            .put_object()
            .bucket(&self.name)
            .set_expected_bucket_owner(self.owner())
            .key(key);
        let request = self
            .encrypted(request)
            .content_type("application/json")
            .metadata(WRITER, writer)
            .body(ByteStream::from(bytes.to_vec()));
        let request = match when {
            When::Absent => request.if_none_match("*"),
            When::Unchanged(etag) => request.if_match(etag),
        };
        Ok(request.send().await.map(drop).map_err(|error| fault(call, &error)))
    }

    fn encrypted(&self, request: PutObjectFluentBuilder) -> PutObjectFluentBuilder {
        match &self.kind {
            Kind::S3 { kms_key: Some(key) } => {
                request.server_side_encryption(ServerSideEncryption::AwsKms).ssekms_key_id(key)
            }
            Kind::S3 { kms_key: None } | Kind::R2 { .. } => request,
        }
    }

    async fn is_written_by(&self, key: &str, writer: &str) -> Result<bool> {
        let place = self.place(key);
        let call = Call { action: "s3:GetObject", on: &place };
        match self
            .link()
            .await?
            .client
            .head_object()
            .bucket(&self.name)
            .set_expected_bucket_owner(self.owner())
            .key(key)
            .send()
            .await
        {
            Ok(answer) => {
                Ok(answer.metadata.is_some_and(|known| known.get(WRITER).is_some_and(|by| by == writer)))
            }
            Err(error) => {
                let fault = fault(call, &error);
                if answered(&fault).0 == 404 { Ok(false) } else { Err(fault.into()) }
            }
        }
    }

    /// Deletes the version of an object that was seen. `false` when it is another one by now, or gone.
    pub(super) async fn delete_if_match(&self, key: &str, etag: &str) -> Result<bool> {
        self.delete_when(key, Some(etag)).await
    }

    /// Deletes an object, whatever it is.
    pub(super) async fn delete(&self, key: &str) -> Result<()> {
        self.delete_when(key, None).await.map(drop)
    }

    async fn delete_when(&self, key: &str, etag: Option<&str>) -> Result<bool> {
        self.aws.before_write().await?;
        let place = self.place(key);
        let unsure = AtomicBool::new(false);
        let (place, unsure) = (place.as_str(), &unsure);
        self.again(|_| async move {
            let call = Call { action: "s3:DeleteObject", on: place };
            let request = self
                .link()
                .await?
                .client
                .delete_object()
                .bucket(&self.name)
                .set_expected_bucket_owner(self.owner())
                .key(key);
            let Err(error) = request.set_if_match(etag.map(str::to_owned)).send().await else {
                return Ok(true);
            };
            let fault = fault(call, &error);
            match answered(&fault) {
                (412, _) => Ok(false),
                // The lost answer of an earlier attempt was a yes.
                (404, code) if code != "NoSuchBucket" => Ok(unsure.load(Ordering::Relaxed)),
                _ => {
                    let error = Error::from(fault);
                    unsure.fetch_or(error.is_retryable(), Ordering::Relaxed);
                    Err(error)
                }
            }
        })
        .await
    }
}
