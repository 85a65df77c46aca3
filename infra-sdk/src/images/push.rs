//! Pushing an image: only what the registry does not have, blobs first, tags last.

use std::fmt;

use serde::Serialize;

use crate::digest::Digest;
use crate::error::{Result, ResultExt};
use crate::images::built::BuiltImage;
use crate::images::layout::wrong_digest;
use crate::images::oci::Descriptor;
use crate::images::registry::{ImageRegistry, Reference};
use crate::images::together::{Work, together};
use crate::images::told::{self, Done, total};
use crate::images::transfer::{self, Moved, TransferOptions, refused};
use crate::names::{ImageName, Tag};

/// What a push will send.
#[derive(Clone, Debug, Serialize)]
pub struct PushPlan {
    /// The image's name.
    pub image: ImageName,
    /// The image's digest.
    pub digest: Digest,
    /// The blobs the registry does not have.
    pub upload: Vec<Descriptor>,
    /// The blobs it has.
    pub present: Vec<Descriptor>,
    /// The images for single platforms that the registry does not have.
    pub platforms: Vec<Descriptor>,
    /// The tags that do not point at this image yet.
    pub tags: Vec<Tag>,
    /// Those of the wanted tags that point at it already.
    pub tagged: Vec<Tag>,
    /// Whether the manifest itself has to be sent.
    pub manifest: bool,
}

impl fmt::Display for PushPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "push {}@{}: ", self.image, self.digest.short())?;
        told::planned(f, "send", &self.upload, &self.present, &self.tags)
    }
}

/// What a push did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PushReport {
    /// The image's name.
    pub image: ImageName,
    /// The image's digest in the registry.
    pub digest: Digest,
    /// How many blobs were sent.
    pub uploaded: usize,
    /// How many bytes they have.
    pub uploaded_bytes: u64,
    /// How many blobs were taken from another image of the same registry, without sending them.
    pub mounted: usize,
    /// How many blobs were there already.
    pub skipped: usize,
    /// The tags that were wanted, and point at it now.
    pub tags: Vec<Tag>,
}

impl fmt::Display for PushReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PushReport { uploaded: sent, uploaded_bytes: bytes, mounted, skipped, .. } = *self;
        write!(f, "{}@{}: ", self.image, self.digest)?;
        told::done(f, &Done { sent, bytes, mounted, skipped, tags: &self.tags })
    }
}

/// Asks the registry what it has of an image, without fetching any of it.
///
/// # Errors
/// What the registry fails with.
pub async fn plan_push(registry: &dyn ImageRegistry, image: &BuiltImage, tags: &[Tag]) -> Result<PushPlan> {
    let (upload, present) = missing(registry, &image.name, image.blobs()).await?;
    let mut platforms = Vec::new();
    for child in image.children() {
        let at = Reference::Digest(child.descriptor.digest.clone());
        if registry.head_manifest(&image.name, &at).await?.is_none() {
            platforms.push(child.descriptor.clone());
        }
    }
    let (tags, tagged) = tags_to_set(registry, &image.name, image.digest(), tags).await?;
    let exact = Reference::Digest(image.digest().clone());
    let manifest = registry.head_manifest(&image.name, &exact).await?.is_none();
    let digest = image.digest().clone();
    Ok(PushPlan { image: image.name.clone(), digest, upload, present, platforms, tags, tagged, manifest })
}

/// Which of these blobs the registry lacks, and which it has; each once.
pub(super) async fn missing<'a>(
    registry: &dyn ImageRegistry,
    image: &ImageName,
    blobs: impl Iterator<Item = &'a Descriptor>,
) -> Result<(Vec<Descriptor>, Vec<Descriptor>)> {
    let mut wanted: Vec<&Descriptor> = Vec::new();
    for blob in blobs {
        if !wanted.iter().any(|other| other.digest == blob.digest) {
            wanted.push(blob);
        }
    }
    let ask: Vec<Work<'_, bool>> = wanted.iter().map(|blob| registry.has_blob(image, &blob.digest)).collect();
    let there = together(TransferOptions::new().at_once, ask).await?;
    let pairs = wanted.into_iter().cloned().zip(there);
    let (present, upload): (Vec<_>, Vec<_>) = pairs.partition(|(_, there)| *there);
    let blobs = |pairs: Vec<(Descriptor, bool)>| pairs.into_iter().map(|(blob, _)| blob).collect();
    Ok((blobs(upload), blobs(present)))
}

/// Which of these tags do not point at the manifest yet, and which do; each once.
pub(super) async fn tags_to_set(
    registry: &dyn ImageRegistry,
    image: &ImageName,
    digest: &Digest,
    tags: &[Tag],
) -> Result<(Vec<Tag>, Vec<Tag>)> {
    let (mut to_set, mut set): (Vec<Tag>, Vec<Tag>) = Default::default();
    for tag in tags {
        if to_set.contains(tag) || set.contains(tag) {
            continue;
        }
        let current = registry.head_manifest(image, &Reference::Tag(tag.clone())).await?;
        // A registry whose tags cannot move also refuses to set one to what it says already.
        if current.as_ref() == Some(digest) { set.push(tag.clone()) } else { to_set.push(tag.clone()) }
    }
    Ok((to_set, set))
}

impl PushPlan {
    /// Sends what is missing of `image`, the one that was planned: blobs, then manifests, then tags.
    ///
    /// A push that was interrupted can simply be planned and done again.
    ///
    /// # Errors
    /// `Invalid` when the built image was damaged, or when the registry keeps something else than what was sent: no tag
    /// then points at it. What the registry fails with.
    pub async fn apply(
        &self,
        registry: &dyn ImageRegistry,
        image: &BuiltImage,
        options: &TransferOptions,
    ) -> Result<PushReport> {
        let mut work: Vec<Work<'_, Moved>> = Vec::new();
        for blob in &self.upload {
            work.push(Box::pin(self.move_one(registry, image, blob, options)));
        }
        let moved = together(options.at_once, work).await?;
        for child in &self.platforms {
            let content = image.layout.manifest(&child.digest)?;
            put_manifest(registry, &self.image, &content, child, None).await?;
        }
        let content = image.layout.manifest(&self.digest)?;
        // First without a tag: should the registry make something else of it, no tag points at that.
        if self.manifest {
            put_manifest(registry, &self.image, &content, &image.descriptor, None).await?;
        }
        for tag in &self.tags {
            put_manifest(registry, &self.image, &content, &image.descriptor, Some(tag)).await?;
        }
        let sent = || self.upload.iter().zip(&moved).filter(|(_, moved)| **moved == Moved::Sent);
        Ok(PushReport {
            image: self.image.clone(),
            digest: self.digest.clone(),
            uploaded: sent().count(),
            uploaded_bytes: total(sent().map(|(blob, _)| blob)),
            mounted: moved.len() - sent().count(),
            skipped: self.present.len(),
            tags: [self.tagged.as_slice(), &self.tags].concat(),
        })
    }
}

impl PushPlan {
    async fn move_one(
        &self,
        registry: &dyn ImageRegistry,
        image: &BuiltImage,
        blob: &Descriptor,
        options: &TransferOptions,
    ) -> Result<Moved> {
        if transfer::mount(registry, &self.image, blob, &options.mount_from).await? {
            return Ok(Moved::Mounted);
        }
        let path = image.layout.blob_path(&blob.digest);
        transfer::send(registry, &self.image, blob, &path, options).await?;
        Ok(Moved::Sent)
    }
}

/// Stores a manifest, and makes sure that the registry has it under the digest it has here.
pub(super) async fn put_manifest(
    registry: &dyn ImageRegistry,
    image: &ImageName,
    content: &[u8],
    described: &Descriptor,
    tag: Option<&Tag>,
) -> Result<()> {
    let put = registry.put_manifest(image, content, &described.media_type, tag).await;
    let found = put.context(refused(registry, image))?;
    if found == described.digest { Ok(()) } else { Err(wrong_digest(&described.digest, &found)) }
}

/// Sends an image: the blobs that are missing, then the manifests, then the tags.
///
/// A push that was interrupted can simply be done again. For progress and mounting, see [`PushPlan::apply`].
///
/// # Errors
/// As [`plan_push`] and [`PushPlan::apply`].
pub async fn push(registry: &dyn ImageRegistry, image: &BuiltImage, tags: &[Tag]) -> Result<PushReport> {
    plan_push(registry, image, tags).await?.apply(registry, image, &TransferOptions::new()).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::{Layout, PlatformImage, oci};

    #[test]
    fn sizes_that_no_sum_holds_are_the_largest_one() {
        let blob = |text: &[u8]| Descriptor::new(oci::LAYER_GZIP, Digest::of(text), u64::MAX);
        let blobs = vec![blob(b"a"), blob(b"b")];
        let (image, digest): (ImageName, _) = ("shop-api/app".parse().unwrap(), Digest::of(b"c"));
        let plan = PushPlan {
            image: image.clone(),
            digest,
            upload: blobs.clone(),
            present: Vec::new(),
            platforms: Vec::new(),
            tags: Vec::new(),
            tagged: Vec::new(),
            manifest: true,
        };
        assert!(plan.to_string().contains("2 blobs to send (18446744073709551615 bytes)"), "{plan}");
        let manifest = oci::Manifest {
            schema_version: 2,
            media_type: None,
            config: blobs[0].clone(),
            layers: blobs,
            annotations: Default::default(),
        };
        let descriptor = blob(b"c");
        let images =
            vec![PlatformImage { platform: oci::Platform::host(), descriptor: descriptor.clone(), manifest }];
        let built = BuiltImage { name: image, descriptor, images, layout: Layout::at("nowhere") };
        assert_eq!(built.size(), u64::MAX);
    }
}
