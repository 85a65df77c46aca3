//! How blobs go into a registry: from where they may be mounted, how many at a time, and who is told.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::digest::Digest;
use crate::error::{Result, ResultExt};
use crate::images::oci::Descriptor;
use crate::images::registry::{BlobSource, ImageRegistry, OnRead};
use crate::names::ImageName;

/// How blobs go into a registry.
///
/// ```
/// use infra_sdk::images::TransferOptions;
/// let options = TransferOptions::new()
///     .mount_from("registry.example.com/acme/base")
///     .on_progress(|progress| eprintln!("{progress}"));
/// assert_eq!(options.at_once, 3);
/// ```
#[derive(Clone)]
pub struct TransferOptions {
    /// [Addresses](ImageRegistry::address) of images that may have the same blobs: what can be mounted is not sent.
    pub mount_from: Vec<String>,
    /// How many blobs are sent at the same time; 3 at first.
    pub at_once: usize,
    /// Where blobs stand on their way from one registry to another; default: the system's folder for temporary files.
    pub scratch: PathBuf,
    /// Who is told how far it is.
    progress: Option<Arc<OnProgress>>,
}

type OnProgress = dyn Fn(&Progress) + Send + Sync;

impl Default for TransferOptions {
    fn default() -> Self {
        TransferOptions { mount_from: Vec::new(), at_once: 3, scratch: std::env::temp_dir(), progress: None }
    }
}

impl TransferOptions {
    /// Three blobs at a time, nothing to mount from, nobody to tell.
    pub fn new() -> Self {
        Self::default()
    }

    /// Also mounts from the image at this [address](ImageRegistry::address).
    #[must_use]
    pub fn mount_from(mut self, address: impl Into<String>) -> Self {
        self.mount_from.push(address.into());
        self
    }

    /// Tells `told` of each piece of a blob that was read in order to be sent. It is called on threads of the transfer.
    #[must_use]
    pub fn on_progress(mut self, told: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(told));
        self
    }
}

impl fmt::Debug for TransferOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransferOptions")
            .field("mount_from", &self.mount_from)
            .field("at_once", &self.at_once)
            .field("scratch", &self.scratch)
            .finish_non_exhaustive()
    }
}

/// How far one blob is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Which blob.
    pub blob: Digest,
    /// How many bytes of it were read; smaller than before when it is sent again after a failure.
    pub done: u64,
    /// How many bytes it has.
    pub size: u64,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} of {} bytes", self.blob.short(), self.done, self.size)
    }
}

/// How a blob got to where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    Mounted,
    Sent,
}

/// Mounts a blob of `image` if one of `from` has it.
pub(super) async fn mount(
    registry: &dyn ImageRegistry,
    image: &ImageName,
    blob: &Descriptor,
    from: &[String],
) -> Result<bool> {
    let own = registry.address(image);
    for address in from.iter().filter(|address| **address != own) {
        if registry.mount_blob(image, &blob.digest, address).await.context(refused(registry, image))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Sends a blob of `image` that stands at `path`.
pub(super) async fn send(
    registry: &dyn ImageRegistry,
    image: &ImageName,
    blob: &Descriptor,
    path: &std::path::Path,
    options: &TransferOptions,
) -> Result<()> {
    let told: Option<Arc<OnRead>> = options.progress.clone().map(|told| {
        let (digest, size) = (blob.digest.clone(), blob.size);
        let on_read: Arc<OnRead> = Arc::new(move |done| told(&Progress { blob: digest.clone(), done, size }));
        on_read
    });
    let source = match &told {
        Some(told) => BlobSource::Watched(path, told),
        None => BlobSource::File(path),
    };
    registry.put_blob(image, &blob.digest, source).await.context(refused(registry, image))
}

pub(super) fn refused(registry: &dyn ImageRegistry, image: &ImageName) -> String {
    format!("push {image} to {}", registry.name())
}
