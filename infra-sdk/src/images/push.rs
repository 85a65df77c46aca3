//! Pushing an image: only what the registry does not have, blobs first, tags last.

use std::fmt;

use serde::Serialize;

use crate::digest::Digest;
use crate::error::{Error, Result, ResultExt};
use crate::file;
use crate::images::build::BuiltImage;
use crate::images::layout::MANIFEST_LIMIT;
use crate::images::oci::Descriptor;
use crate::images::registry::{BlobSource, ImageRegistry, Reference};
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
    /// The tags that do not point at this image yet.
    pub tags: Vec<Tag>,
    /// Whether the manifest itself has to be sent.
    pub manifest: bool,
}

impl fmt::Display for PushPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: u64 = self.upload.iter().map(|blob| blob.size).sum();
        write!(f, "push {}@{}: ", self.image, self.digest.short())?;
        write!(
            f,
            "{} blobs to send ({bytes} bytes), {} there already",
            self.upload.len(),
            self.present.len()
        )?;
        match self.tags.as_slice() {
            [] => Ok(()),
            tags => write!(f, ", tags {}", join(tags)),
        }
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
    /// How many blobs were there already.
    pub skipped: usize,
    /// The tags that were set or moved.
    pub tags: Vec<Tag>,
}

impl fmt::Display for PushReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}: ", self.image, self.digest)?;
        write!(
            f,
            "{} blobs sent ({} bytes), {} there already",
            self.uploaded, self.uploaded_bytes, self.skipped
        )?;
        match self.tags.as_slice() {
            [] => Ok(()),
            tags => write!(f, ", tagged {}", join(tags)),
        }
    }
}

fn join(tags: &[Tag]) -> String {
    tags.iter().map(Tag::as_str).collect::<Vec<_>>().join(", ")
}

/// Asks the registry what it has of an image.
///
/// # Errors
/// What the registry fails with.
pub async fn plan_push(registry: &dyn ImageRegistry, image: &BuiltImage, tags: &[Tag]) -> Result<PushPlan> {
    let (mut upload, mut present): (Vec<Descriptor>, Vec<Descriptor>) = Default::default();
    for blob in image.blobs() {
        let known = upload.iter().chain(&present).any(|other| other.digest == blob.digest);
        if !known {
            let there = registry.has_blob(&image.name, &blob.digest).await?;
            if there { &mut present } else { &mut upload }.push(blob.clone());
        }
    }
    let mut to_set = Vec::new();
    for tag in tags {
        let current = registry.get_manifest(&image.name, &Reference::Tag(tag.clone())).await?;
        // A registry whose tags cannot move also refuses to set one to what it says already.
        if current.is_none_or(|manifest| manifest.digest() != *image.digest()) && !to_set.contains(tag) {
            to_set.push(tag.clone());
        }
    }
    let exact = Reference::Digest(image.digest().clone());
    let manifest = to_set.is_empty() && registry.get_manifest(&image.name, &exact).await?.is_none();
    let digest = image.digest().clone();
    Ok(PushPlan { image: image.name.clone(), digest, upload, present, tags: to_set, manifest })
}

/// Sends an image: the blobs that are missing, then the manifest, then the tags.
///
/// A push that was interrupted can simply be done again.
///
/// # Errors
/// `Invalid` when the built image was damaged; what the registry fails with.
pub async fn push(registry: &dyn ImageRegistry, image: &BuiltImage, tags: &[Tag]) -> Result<PushReport> {
    let plan = plan_push(registry, image, tags).await?;
    let refused = || format!("push {} to {}", image.name, registry.name());
    for blob in &plan.upload {
        let path = image.layout.blob_path(&blob.digest);
        registry.put_blob(&image.name, &blob.digest, BlobSource::File(&path)).await.context(refused())?;
    }
    let path = image.layout.blob_path(image.digest());
    let content = file::read(&path, MANIFEST_LIMIT)?.ok_or_else(|| {
        Error::not_found("the built image is gone").with("path", path.display()).hint("build the image again")
    })?;
    let media_type = &image.descriptor.media_type;
    if plan.manifest {
        registry.put_manifest(&image.name, &content, media_type, None).await.context(refused())?;
    }
    for tag in &plan.tags {
        registry.put_manifest(&image.name, &content, media_type, Some(tag)).await.context(refused())?;
    }
    Ok(PushReport {
        image: image.name.clone(),
        digest: plan.digest,
        uploaded: plan.upload.len(),
        uploaded_bytes: plan.upload.iter().map(|blob| blob.size).sum(),
        skipped: plan.present.len(),
        tags: plan.tags,
    })
}
