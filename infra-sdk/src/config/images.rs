//! What `infra.toml` may say about container images: what they are made of, and how registries keep them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::values::{self, Span};

/// `[image.NAME]`: one container image, made from files.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Image {
    /// A folder of this repo whose files become the image, or one file; relative to the repo, which it never leaves.
    #[serde(default, deserialize_with = "values::maybe_inside_repo")]
    pub files: Option<String>,
    /// Instead of files: a Dockerfile, for a container engine to build.
    #[serde(default, deserialize_with = "values::maybe_inside_repo")]
    pub dockerfile: Option<String>,
    /// For a Dockerfile: the folder it is built in; default: the repo.
    #[serde(default, deserialize_with = "values::maybe_inside_repo")]
    pub context: Option<String>,
    /// The machines it is built for, such as `linux/arm64`; default: this one. With several, `files` holds `{os}` or
    /// `{arch}`, and the image is an index of one for each.
    #[serde(default)]
    pub platforms: Vec<String>,
    /// Where the files stand in the image; default `/app`.
    #[serde(default = "app_dir")]
    pub dir: String,
    /// The program and its arguments; a relative program is looked up under `dir`. A Dockerfile has its own.
    #[serde(default)]
    pub entrypoint: Vec<String>,
    /// Environment variables set in the image; never secrets.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

fn app_dir() -> String {
    "/app".into()
}

/// `[ecr]`: how repositories of images are kept in ECR.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ecr {
    /// Accounts that may pull, as 12 digits each, such as that of production.
    #[serde(default)]
    pub pull_accounts: Vec<String>,
    /// How many tagged images are kept.
    #[serde(default = "keep_images")]
    pub keep: u16,
    /// How long images without a tag are kept, in whole days.
    #[serde(default = "keep_untagged")]
    pub keep_untagged: Span,
    /// The KMS key that encrypts new repositories; default: S3's own encryption.
    #[serde(default)]
    pub kms_key: Option<String>,
}

impl Default for Ecr {
    fn default() -> Self {
        Ecr { pull_accounts: Vec::new(), keep: keep_images(), keep_untagged: keep_untagged(), kms_key: None }
    }
}

fn keep_images() -> u16 {
    100
}

fn keep_untagged() -> Span {
    Span(Duration::from_secs(14 * 86_400))
}
