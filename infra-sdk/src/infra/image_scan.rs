//! Letting an image pass, or not, by what its registry's scan found.

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::images::oci::{self, Index};
use crate::images::{self, Findings, Reference, ScanReport, ScanWait, Severity};
use crate::infra::image_ref::{ImageRef, resolve};
use crate::infra::images::DIRTY;
use crate::infra::open::Infra;
use crate::infra::providers;
use crate::names::{ImageName, Tag};

impl Infra {
    /// What the scan of an image found, held against `threshold`: waits for a scan that runs, and starts one where there
    /// is none. An image for several platforms is scanned platform by platform. Without a version it is the one that
    /// `git describe` names, which [`push`](Infra::push) tags.
    ///
    /// # Errors
    /// `NotBuilt` without the feature `aws-ecr`; `Invalid` when the registry of this environment does not scan;
    /// `NotFound` when the image is not there; `Failed` when it could not be scanned: such an image does not pass;
    /// `TimedOut` when the scan did not end within `wait`.
    pub async fn scan_image(
        &self,
        wanted: &ImageRef,
        threshold: Severity,
        wait: ScanWait,
    ) -> Result<ScanReport> {
        let scanner = providers::image_scanner(self)?;
        let (_, image, _) = self.image_named(wanted.name.as_str())?;
        let at = match &wanted.at {
            Some(at) => at.clone(),
            None => Reference::Tag(self.pushed_tag(wanted).await?),
        };
        let digest = resolve(&*self.ports().images, &image, &at).await?;
        let (mut found, mut notes) = (Findings::default(), Vec::new());
        for part in self.parts(&image, &digest).await? {
            self.host().tell(&format!("scan of {image}@{}", part.short()));
            let (findings, noted) = images::scan(&*scanner, &image, &part, wait).await?;
            found.join(findings);
            notes.extend(noted);
        }
        notes.dedup();
        let refused = found.at_least(threshold);
        Ok(ScanReport { image, digest, threshold, refused, found, notes })
    }

    async fn pushed_tag(&self, wanted: &ImageRef) -> Result<Tag> {
        let version = self.version().await;
        // What is in no commit has the digest in its tag, which only a build could tell.
        let Some(version) = version.filter(|version| !version.ends_with(DIRTY)) else {
            return Err(Error::invalid(format!("which version of image {} is scanned?", wanted.name))
                .hint(format!("name it, as `{0}:1.4.0` or `{0}@sha256:…`", wanted.name))
                .hint("without a name it is the commit of this checkout, if no file was changed since"));
        };
        Tag::new(version).map_err(|error| error.hint(format!("name the version, as `{}:1.4.0`", wanted.name)))
    }

    /// What is scanned one by one: the images for single platforms, without notes such as signatures.
    async fn parts(&self, image: &ImageName, digest: &Digest) -> Result<Vec<Digest>> {
        let stored = self.ports().images.get_manifest(image, &Reference::Digest(digest.clone())).await?;
        let Some(stored) = stored.filter(|stored| oci::is_index(&stored.media_type)) else {
            return Ok(vec![digest.clone()]);
        };
        let index: Index = serde_json::from_slice(&stored.content).map_err(|error| {
            Error::invalid("the index of an image cannot be read")
                .because(error)
                .hint("push this image again")
        })?;
        let real =
            |platform: Option<&oci::Platform>| platform.is_none_or(|platform| platform.os != "unknown");
        let parts: Vec<Digest> = index
            .manifests
            .into_iter()
            .filter(|child| real(child.platform.as_ref()))
            .map(|child| child.digest)
            .collect();
        if parts.is_empty() {
            return Err(Error::invalid("the index of an image names no image, so nothing can be scanned")
                .with("image", format!("{image}@{}", digest.short()))
                .hint("push this image again"));
        }
        Ok(parts)
    }
}
