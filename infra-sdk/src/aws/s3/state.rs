//! Terraform state in a bucket, with copies of it beside each state.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use crate::aws::s3::bucket::{Bucket, Kind};
use crate::digest::Digest;
use crate::env::{
    AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_REQUEST_CHECKSUM_CALCULATION, AWS_RESPONSE_CHECKSUM_VALIDATION,
    AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN,
};
use crate::error::Result;
use crate::names::OrgName;
use crate::secret::SecretValue;
use crate::state::left::is_blank;
use crate::state::{
    BackendSettings, KeyTemplate, ObjectKeys, Setting, Snapshot, SnapshotId, StateBackend, StateKey,
};
use crate::time::Timestamp;

/// What a copy's name ends in.
const COPY: &str = ".tfstate";

/// Terraform state in a bucket of S3 or R2. Terraform reads and writes it with its own `s3` backend and locks it with
/// `use_lockfile`, which wants Terraform 1.10 or OpenTofu 1.10.
///
/// Copies of the state at `KEY` are objects below `KEY.history/`, on S3 as on R2: R2 keeps no versions, and those of S3
/// may be expired by a rule of the bucket.
///
/// Terraform finds the credentials for S3 as it always does. For R2 it gets those of R2 as `AWS_ACCESS_KEY_ID` and
/// `AWS_SECRET_ACCESS_KEY` of its process, and `AWS_PROFILE` and `AWS_SESSION_TOKEN` are emptied there: code that uses
/// the AWS provider over state in R2 has to name a profile in its `provider` block.
///
/// ```no_run
/// # async fn example() -> infra_sdk::Result<()> {
/// use infra_sdk::{Env, aws::{Aws, Bucket, S3State}, state::{KeyTemplate, StateBackend}};
/// let aws = Aws::connect(&Env::of_process()?, Some("eu-central-1"))?;
/// let state = S3State::new(Bucket::on_s3(aws, "acme-terraform-state", None)?, KeyTemplate::default());
/// for key in state.list(&"acme".parse()?).await? {
///     println!("{key}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct S3State {
    pub(super) bucket: Bucket,
    pub(super) keys: KeyTemplate,
}

impl S3State {
    /// The states of a bucket whose keys are made as `keys` says.
    pub fn new(bucket: Bucket, keys: KeyTemplate) -> Self {
        S3State { bucket, keys }
    }

    /// Where copies of a state lie.
    fn copies_at(&self, key: &StateKey) -> Result<String> {
        Ok(format!("{}.history/", self.keys.path(key)?))
    }

    async fn copies(&self, key: &StateKey) -> Result<Vec<Snapshot>> {
        let folder = self.copies_at(key)?;
        let mut copies = Vec::new();
        for object in self.bucket.list(&folder, usize::MAX).await? {
            // What is not named like a copy is not one.
            let Some(id) = object.key.strip_prefix(&folder).and_then(|name| name.strip_suffix(COPY)) else {
                continue;
            };
            let time = id.rsplit_once('-').and_then(|(time, _)| time.replace('_', ":").parse().ok());
            let Some(time) = time.or(object.modified).filter(|_| !id.contains('/')) else { continue };
            copies.push(Snapshot { id: SnapshotId::new(id), time, size: object.size });
        }
        Ok(copies)
    }

    fn for_s3(&self, values: &mut BTreeMap<String, Setting>, kms_key: Option<&str>) -> Result<()> {
        let mut set = |name: &str, value| drop(values.insert(name.to_owned(), value));
        set("region", Setting::Text(self.bucket.aws.region().to_owned()));
        // Without a key of ours the bucket encrypts as it is set: Terraform would ask for S3's own key, whatever that is.
        if let Some(key) = kms_key {
            set("encrypt", Setting::Flag(true));
            set("kms_key_id", Setting::Text(key.to_owned()));
        }
        if let Some(address) = self.bucket.aws.endpoint("S3")? {
            elsewhere(values, address);
        }
        Ok(())
    }
}

/// What Terraform must not ask of a store that is not S3
/// (<https://developers.cloudflare.com/terraform/advanced-topics/remote-backend/>).
fn elsewhere(values: &mut BTreeMap<String, Setting>, address: String) {
    let endpoints = BTreeMap::from([("s3".to_owned(), address)]);
    values.insert("endpoints".into(), Setting::Map(endpoints));
    for flag in [
        "use_path_style",
        "skip_credentials_validation",
        "skip_metadata_api_check",
        "skip_region_validation",
        "skip_requesting_account_id",
        "skip_s3_checksum",
    ] {
        values.insert(flag.into(), Setting::Flag(true));
    }
}

/// The variables by which Terraform reaches R2, and nothing of AWS.
fn of_r2(settings: &mut BackendSettings, keys: ObjectKeys) {
    // An empty variable counts as none.
    for (name, value) in [
        (AWS_PROFILE, ""),
        (AWS_SESSION_TOKEN, ""),
        // R2 refuses the checksums that newer SDKs send unasked.
        (AWS_REQUEST_CHECKSUM_CALCULATION, "when_required"),
        (AWS_RESPONSE_CHECKSUM_VALIDATION, "when_required"),
    ] {
        settings.env.insert(name.into(), value.into());
    }
    settings.credentials.insert(AWS_ACCESS_KEY_ID.into(), SecretValue::new(keys.id));
    settings.credentials.insert(AWS_SECRET_ACCESS_KEY.into(), keys.secret);
}

#[async_trait]
impl StateBackend for S3State {
    /// Terraform writes where these point, so account and region are compared before they are given.
    async fn settings(&self, key: &StateKey) -> Result<BackendSettings> {
        self.bucket.aws.before_write().await?;
        self.bucket.require_own().await?;
        let mut values = BTreeMap::from([
            ("bucket".to_owned(), Setting::Text(self.bucket.name().to_owned())),
            ("key".to_owned(), Setting::Text(self.keys.path(key)?)),
            ("use_lockfile".to_owned(), Setting::Flag(true)),
        ]);
        match &self.bucket.kind {
            Kind::S3 { kms_key } => {
                self.for_s3(&mut values, kms_key.as_deref())?;
                Ok(BackendSettings::new("s3", values))
            }
            Kind::R2 { keys } => {
                values.insert("region".into(), Setting::Text(self.bucket.aws.region().to_owned()));
                elsewhere(&mut values, self.bucket.aws.endpoint("S3")?.unwrap_or_default());
                let mut settings = BackendSettings::new("s3", values);
                of_r2(&mut settings, keys.keys().await?);
                Ok(settings)
            }
        }
    }

    async fn read(&self, key: &StateKey) -> Result<Option<Vec<u8>>> {
        Ok(self.bucket.get(&self.keys.path(key)?).await?.map(|object| object.bytes))
    }

    async fn list(&self, owner: &OrgName) -> Result<Vec<StateKey>> {
        let objects = self.bucket.list(&self.keys.prefix(owner), usize::MAX).await?;
        let keys = objects.iter().filter_map(|object| self.keys.key(&object.key));
        let mut keys: Vec<StateKey> = keys.filter(|key| key.owner == *owner).collect();
        keys.sort();
        Ok(keys)
    }

    async fn snapshot(&self, key: &StateKey) -> Result<Option<SnapshotId>> {
        let Some(content) = self.read(key).await?.filter(|state| !is_blank(state)) else { return Ok(None) };
        let digest = Digest::of(&content);
        let newest = self.copies(key).await?.pop();
        if let Some(newest) = &newest
            && newest.id.as_str().ends_with(digest.short())
            && self.read_snapshot(key, &newest.id).await?.as_ref() == Some(&content)
        {
            return Ok(Some(newest.id.clone()));
        }
        // Later than the newest even where that was made by a machine whose clock is ahead: copies are ordered by time.
        let after = newest.map(|newest| newest.time.plus(Duration::from_millis(1)));
        let time = after.map_or_else(Timestamp::now, |after| after.max(Timestamp::now()));
        let id = format!("{}-{}", time.to_string().replace(':', "_"), digest.short());
        // One that is there already is the same state, kept in the same millisecond.
        self.bucket.put_if_absent(&format!("{}{id}{COPY}", self.copies_at(key)?), &content).await?;
        Ok(Some(SnapshotId::new(id)))
    }

    async fn snapshots(&self, key: &StateKey) -> Result<Vec<Snapshot>> {
        self.copies(key).await
    }

    async fn read_snapshot(&self, key: &StateKey, id: &SnapshotId) -> Result<Option<Vec<u8>>> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if !id.as_str().chars().all(plain) || id.as_str().contains("..") {
            return Ok(None);
        }
        let object = self.bucket.get(&format!("{}{id}{COPY}", self.copies_at(key)?)).await?;
        Ok(object.map(|object| object.bytes))
    }

    async fn replace(&self, key: &StateKey, seen: Option<&[u8]>, content: &[u8]) -> Result<bool> {
        let path = self.keys.path(key)?;
        match (self.bucket.get(&path).await?, seen) {
            (None, None) => self.bucket.put_if_absent(&path, content).await,
            (Some(object), Some(seen)) if object.bytes == seen => {
                self.bucket.put_if_match(&path, &object.etag, content).await
            }
            _ => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::connect::Aws;
    use crate::env::{AWS_ENDPOINT_URL, AWS_REGION, Env, R2_ACCESS_KEY_ID, R2_SECRET_ACCESS_KEY};

    fn key() -> StateKey {
        "acme/shop-api/staging/network/terraform.tfstate".parse().unwrap()
    }

    fn text(text: &str) -> Setting {
        Setting::Text(text.into())
    }

    #[tokio::test]
    async fn terraform_is_told_bucket_key_region_lock_and_encryption() {
        let aws = Aws::connect(&Env::of([("X", "y")], "/"), Some("eu-central-1")).unwrap();
        let bucket = Bucket::on_s3(aws, "acme-state", Some("alias/state".into())).unwrap();
        let settings = S3State::new(bucket, KeyTemplate::default()).settings(&key()).await.unwrap();
        let wanted = BTreeMap::from([
            ("bucket".to_owned(), text("acme-state")),
            ("key".to_owned(), text("acme/shop-api/staging/network/terraform.tfstate")),
            ("region".to_owned(), text("eu-central-1")),
            ("encrypt".to_owned(), Setting::Flag(true)),
            ("use_lockfile".to_owned(), Setting::Flag(true)),
            ("kms_key_id".to_owned(), text("alias/state")),
        ]);
        assert_eq!((settings.kind.as_str(), settings.values), ("s3", wanted));
        assert!(settings.env.is_empty() && settings.credentials.is_empty());
    }

    #[tokio::test]
    async fn an_address_that_stands_in_is_told_to_terraform_as_well() {
        let env = Env::of([(AWS_ENDPOINT_URL, "http://127.0.0.1:5000"), (AWS_REGION, "eu-central-1")], "/");
        let bucket = Bucket::on_s3(Aws::connect(&env, None).unwrap(), "acme-state", None).unwrap();
        let settings = S3State::new(bucket, KeyTemplate::default()).settings(&key()).await.unwrap();
        let endpoints = BTreeMap::from([("s3".to_owned(), "http://127.0.0.1:5000".to_owned())]);
        assert_eq!(settings.values["endpoints"], Setting::Map(endpoints));
        assert_eq!(settings.values["use_path_style"], Setting::Flag(true));
    }

    #[tokio::test]
    async fn the_keys_of_r2_go_to_terraforms_process_alone() {
        let env = Env::of([(R2_ACCESS_KEY_ID, "canary-id"), (R2_SECRET_ACCESS_KEY, "canary-secret")], "/");
        let bucket = Bucket::on_r2(&env, "0123456789abcdef0123456789abcdef", "acme-state").unwrap();
        let settings = S3State::new(bucket, KeyTemplate::default()).settings(&key()).await.unwrap();
        let shown = format!("{settings:?}{}", serde_json::to_string(&settings).unwrap());
        assert!(!shown.contains("canary"), "{shown}");
        assert_eq!(settings.credentials[AWS_SECRET_ACCESS_KEY].expose(), "canary-secret");
        assert_eq!(settings.env[AWS_SESSION_TOKEN], "");
        assert_eq!(settings.values["region"], text("auto"));
        assert!(!settings.values.contains_key("encrypt"), "R2 knows no such header");
        let Setting::Map(endpoints) = &settings.values["endpoints"] else { panic!("a map") };
        assert_eq!(endpoints["s3"], "https://0123456789abcdef0123456789abcdef.r2.cloudflarestorage.com");
    }
}
