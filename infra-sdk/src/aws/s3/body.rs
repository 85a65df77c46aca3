//! Reading one object whole.

use std::time::Duration;

use aws_sdk_s3::primitives::DateTime;

use crate::aws::fault::{Call, Fault, Why};
use crate::aws::s3::bucket::{Bucket, answered, fault};
use crate::error::{Error, ErrorKind, Result};
use crate::time::Timestamp;

/// What is larger than this is not ours.
const LARGEST: i64 = 512_000_000;

/// How long the whole of an object may take.
const WHOLE: Duration = Duration::from_secs(300);

/// An object as it is now.
pub(super) struct Object {
    /// Its bytes. They may be a state and hold secrets.
    pub(super) bytes: Vec<u8>,
    /// Tells this version of it from others.
    pub(super) etag: String,
    /// How long it lies there, by the store's own clock.
    pub(super) age: Duration,
}

impl Bucket {
    /// The object at `key`; `None` when there is none.
    pub(super) async fn get(&self, key: &str) -> Result<Option<Object>> {
        self.again(|_| self.get_once(key)).await
    }

    async fn get_once(&self, key: &str) -> Result<Option<Object>> {
        let place = self.place(key);
        let call = Call { action: "s3:GetObject", on: &place };
        let link = self.link().await?;
        let answer = match link
            .client
            .get_object()
            .bucket(&self.name)
            .set_expected_bucket_owner(self.owner())
            .key(key)
            .send()
            .await
        {
            Ok(answer) => answer,
            Err(error) => {
                let fault = fault(call, &error);
                return match answered(&fault) {
                    // Without its code it is the answer of something else, such as a proxy.
                    (404, "NoSuchKey") => Ok(None),
                    (_, "AccessDenied") => Err(Error::from(fault).hint(
                        "S3 says so of what is not there as well, unless `s3:ListBucket` on the bucket is allowed too",
                    )),
                    _ => Err(fault.into()),
                };
            }
        };
        if answer.content_length.is_some_and(|length| length > LARGEST) {
            return Err(Error::invalid("an object is too large to be a state")
                .with("object", &place)
                .with("bytes", answer.content_length.unwrap_or_default())
                .hint("look at what lies there; states of up to 512 MB are read"));
        }
        let (etag, age) = (answer.e_tag.unwrap_or_default(), age(answer.last_modified, link.clock.now()));
        match tokio::time::timeout(WHOLE, answer.body.collect()).await {
            Ok(Ok(bytes)) => Ok(Some(Object { bytes: bytes.to_vec(), etag, age })),
            Ok(Err(error)) => Err(Fault::new(call, Why::NotReached(error.to_string())).into()),
            Err(_) => Err(Error::new(ErrorKind::TimedOut, "an object did not come whole in time")
                .with("object", place)
                .hint("check the network, then try again")
                .retryable()),
        }
    }
}

/// How long ago something was written; zero when the store does not tell.
fn age(written: Option<DateTime>, now: Timestamp) -> Duration {
    written.and_then(time).map_or(Duration::ZERO, |written| written.until(now))
}

/// A time of the store's; one that is out of range is none.
pub(super) fn time(time: DateTime) -> Option<Timestamp> {
    std::time::SystemTime::try_from(time).ok().map(Timestamp::from)
}
