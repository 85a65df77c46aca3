//! From one registry to another by digest: the same image with all its platforms, sending only what is not there.

use std::fmt;

use serde::Serialize;

use crate::digest::Digest;
use crate::error::Result;
use crate::file::{Access, Temporary};
use crate::images::fetch;
use crate::images::oci::{self, Descriptor, Index, Manifest};
use crate::images::push::{missing, put_manifest, tags_to_set};
use crate::images::registry::{ImageRegistry, Reference};
use crate::images::together::{Work, together};
use crate::images::told::{self, Done, total};
use crate::images::transfer::{self, Moved, TransferOptions};
use crate::names::{ImageName, Tag};

/// What a copy will move.
#[derive(Clone, Debug, Serialize)]
pub struct CopyPlan {
    /// The image's name, in both registries.
    pub image: ImageName,
    /// The image's digest, in both registries.
    pub digest: Digest,
    /// How messages call the registry that has it.
    pub from: String,
    /// How messages call the registry that gets it.
    pub to: String,
    /// The blobs to move.
    pub blobs: Vec<Descriptor>,
    /// The blobs that are there.
    pub present: Vec<Descriptor>,
    /// The images for single platforms to store, in their order.
    pub platforms: Vec<Descriptor>,
    /// Whether the manifest itself has to be stored.
    pub manifest: bool,
    /// The tags to set or move.
    pub tags: Vec<Tag>,
    /// Those of the wanted tags that point at it there already.
    pub tagged: Vec<Tag>,
    /// The manifests as they are, the image's own last.
    #[serde(skip)]
    content: Vec<(Descriptor, Vec<u8>)>,
}

impl CopyPlan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.blobs.is_empty() && self.platforms.is_empty() && !self.manifest && self.tags.is_empty()
    }
}

impl fmt::Display for CopyPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "copy {}@{} from {} to {}: ", self.image, self.digest.short(), self.from, self.to)?;
        told::planned(f, "move", &self.blobs, &self.present, &self.tags)
    }
}

/// What a copy did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CopyReport {
    /// The image's name.
    pub image: ImageName,
    /// The image's digest, the same in both registries.
    pub digest: Digest,
    /// How messages call the registry that has it now.
    pub to: String,
    /// How many blobs were sent.
    pub sent: usize,
    /// How many bytes they have.
    pub sent_bytes: u64,
    /// How many blobs stayed where they were and were mounted.
    pub mounted: usize,
    /// How many blobs were there already.
    pub skipped: usize,
    /// The tags that were wanted, and point at it now.
    pub tags: Vec<Tag>,
}

impl fmt::Display for CopyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CopyReport { sent, sent_bytes: bytes, mounted, skipped, .. } = *self;
        write!(f, "{}@{} is in {}: ", self.image, self.digest, self.to)?;
        told::done(f, &Done { sent, bytes, mounted, skipped, tags: &self.tags })
    }
}

/// Looks at what `from` has of the image `digest`, and at what `to` lacks of it. An index comes with every image it names.
///
/// # Errors
/// `NotFound` when `from` does not have it; `Invalid` when it is damaged or no image; what the registries fail with.
pub async fn plan_copy(
    from: &dyn ImageRegistry,
    to: &dyn ImageRegistry,
    image: &ImageName,
    digest: &Digest,
    tags: &[Tag],
) -> Result<CopyPlan> {
    let root = fetch::stored(from, image, digest).await?;
    let described = |media_type: &str, content: &[u8]| {
        Descriptor::new(media_type, Digest::of(content), content.len() as u64)
    };
    let mut content: Vec<(Descriptor, Vec<u8>)> = Vec::new();
    if oci::is_index(&root.media_type) {
        let index: Index = fetch::parse(&root.content, "index", digest)?;
        for child in index.manifests {
            let stored = fetch::stored(from, image, &child.digest).await?;
            if !content.iter().any(|(known, _)| known.digest == child.digest) {
                content.push((described(&stored.media_type, &stored.content), stored.content));
            }
        }
    }
    content.push((described(&root.media_type, &root.content), root.content));
    let mut blobs = Vec::new();
    for (manifest, bytes) in content.iter().filter(|(manifest, _)| !oci::is_index(&manifest.media_type)) {
        let Manifest { config, layers, .. } = fetch::parse(bytes, "manifest", &manifest.digest)?;
        blobs.extend(layers.into_iter().chain([config]));
    }
    let (blobs, present) = missing(to, image, blobs.iter()).await?;
    let mut platforms = Vec::new();
    for (child, _) in &content[..content.len() - 1] {
        if to.head_manifest(image, &Reference::Digest(child.digest.clone())).await?.is_none() {
            platforms.push(child.clone());
        }
    }
    let (tags, tagged) = tags_to_set(to, image, digest, tags).await?;
    let exact = Reference::Digest(digest.clone());
    let manifest = to.head_manifest(image, &exact).await?.is_none();
    Ok(CopyPlan {
        image: image.clone(),
        digest: digest.clone(),
        from: from.name().to_owned(),
        to: to.name().to_owned(),
        blobs,
        present,
        platforms,
        manifest,
        tags,
        tagged,
        content,
    })
}

impl CopyPlan {
    /// Moves what is missing between the two registries that were planned: blobs, then manifests, then tags.
    ///
    /// Where both are one registry, blobs are mounted; else each goes through a temporary file, checked on its way. A copy
    /// that was interrupted can simply be planned and done again.
    ///
    /// # Errors
    /// `Invalid` when a blob is not what its digest says, or when `to` keeps something else than what was sent; `NotFound`
    /// when `from` lost something since the plan; what the registries fail with.
    pub async fn apply(
        &self,
        from: &dyn ImageRegistry,
        to: &dyn ImageRegistry,
        options: &TransferOptions,
    ) -> Result<CopyReport> {
        let mut sources = options.mount_from.clone();
        sources.push(from.address(&self.image));
        let mut work: Vec<Work<'_, Moved>> = Vec::new();
        for blob in &self.blobs {
            work.push(Box::pin(self.move_one(from, to, blob, &sources, options)));
        }
        let moved = together(options.at_once, work).await?;
        for (described, bytes) in &self.content {
            if self.platforms.iter().any(|child| child.digest == described.digest)
                || (self.manifest && described.digest == self.digest)
            {
                put_manifest(to, &self.image, bytes, described, None).await?;
            }
        }
        if let Some((described, bytes)) = self.content.last() {
            for tag in &self.tags {
                put_manifest(to, &self.image, bytes, described, Some(tag)).await?;
            }
        }
        let sent = || self.blobs.iter().zip(&moved).filter(|(_, moved)| **moved == Moved::Sent);
        Ok(CopyReport {
            image: self.image.clone(),
            digest: self.digest.clone(),
            to: self.to.clone(),
            sent: sent().count(),
            sent_bytes: total(sent().map(|(blob, _)| blob)),
            mounted: moved.len() - sent().count(),
            skipped: self.present.len(),
            tags: [self.tagged.as_slice(), &self.tags].concat(),
        })
    }
}

impl CopyPlan {
    async fn move_one(
        &self,
        from: &dyn ImageRegistry,
        to: &dyn ImageRegistry,
        blob: &Descriptor,
        sources: &[String],
        options: &TransferOptions,
    ) -> Result<Moved> {
        if transfer::mount(to, &self.image, blob, sources).await? {
            return Ok(Moved::Mounted);
        }
        let place = options.scratch.join(format!("blob-{}", blob.digest.short()));
        let mut file = Temporary::beside(&place, Access::Private)?;
        fetch::blob(from, &self.image, blob, &mut file.file).await?;
        transfer::send(to, &self.image, blob, file.path(), options).await?;
        Ok(Moved::Sent)
    }
}

/// Copies an image by its digest, which stays the same, and lets `tags` point at it there.
///
/// ```no_run
/// # async fn example(
/// #     staging: &dyn infra_sdk::images::ImageRegistry,
/// #     production: &dyn infra_sdk::images::ImageRegistry,
/// #     digest: infra_sdk::Digest,
/// # ) -> infra_sdk::Result<()> {
/// let image = "shop-api/app".parse()?;
/// let report = infra_sdk::images::copy(staging, production, &image, &digest, &["1.4.0".parse()?]).await?;
/// assert_eq!(report.digest, digest);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`plan_copy`] and [`CopyPlan::apply`].
pub async fn copy(
    from: &dyn ImageRegistry,
    to: &dyn ImageRegistry,
    image: &ImageName,
    digest: &Digest,
    tags: &[Tag],
) -> Result<CopyReport> {
    plan_copy(from, to, image, digest, tags).await?.apply(from, to, &TransferOptions::new()).await
}
