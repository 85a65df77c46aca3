//! Which objects there are.

use crate::aws::fault::Call;
use crate::aws::s3::body::time;
use crate::aws::s3::bucket::{Bucket, OURS, fault};
use crate::error::{Error, ErrorKind, Result};
use crate::time::Timestamp;

/// What one page holds at most
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>).
const PAGE: usize = 1000;

/// An object of a list.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) key: String,
    pub(super) size: u64,
    pub(super) modified: Option<Timestamp>,
}

impl Bucket {
    /// The objects whose keys begin with `prefix`, in the order of their keys, `most` of them at most.
    pub(super) async fn list(&self, prefix: &str, most: usize) -> Result<Vec<Listed>> {
        let mut found: Vec<Listed> = Vec::new();
        let mut after: Option<String> = None;
        while found.len() < most {
            let size = PAGE.min(most - found.len());
            let page = self.again(|_| self.page(prefix, after.as_deref(), size)).await?;
            let (objects, more) = page;
            let last = objects.last().map(|object| object.key.clone());
            found.extend(objects);
            if !more || last.is_none() {
                break;
            }
            if last <= after {
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    "the store gave the same page of a list twice",
                )
                .with("bucket", self)
                .hint("check that the address stands for a store that pages as S3 does")
                .retryable());
            }
            // What is ours is no state: a ledger may have more entries than there are states.
            let ours = |key: &String| !prefix.starts_with(OURS) && key.starts_with(&format!("{OURS}/"));
            after = last.map(|key| if ours(&key) { format!("{OURS}0") } else { key });
        }
        Ok(found)
    }

    /// What comes after a key, and whether there is more behind it.
    async fn page(&self, prefix: &str, after: Option<&str>, size: usize) -> Result<(Vec<Listed>, bool)> {
        let place = self.place(prefix);
        let call = Call { action: "s3:ListBucket", on: &place };
        let request = self
            .link()
            .await?
            .client
            .list_objects_v2()
            .bucket(&self.name)
            .set_expected_bucket_owner(self.owner())
            .prefix(prefix);
        let request = request.set_start_after(after.map(str::to_owned)).max_keys(size as i32);
        let answer = request.send().await.map_err(|error| fault(call, &error))?;
        let listed = |object: aws_sdk_s3::types::Object| {
            Some(Listed {
                key: object.key?,
                size: object.size.and_then(|size| size.try_into().ok()).unwrap_or_default(),
                modified: object.last_modified.and_then(time),
            })
        };
        let objects = answer.contents.unwrap_or_default().into_iter().filter_map(listed).collect();
        Ok((objects, answer.is_truncated.unwrap_or_default()))
    }
}
