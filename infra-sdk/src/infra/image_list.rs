//! The versions of images that a registry has: tags, digests, sizes, and when they came there.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use serde::Serialize;
use tokio::task::JoinHandle;

use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::images::oci::{self, Index, Manifest};
use crate::images::{ImageRegistry, Reference};
use crate::infra::open::Infra;
use crate::ledger::{self, Filter};
use crate::names::{ImageName, Tag};
use crate::time::Timestamp;

/// How many questions a registry is asked at the same time.
const AT_ONCE: usize = 8;

/// What a registry has of this repo's images.
#[derive(Clone, Debug, Serialize)]
pub struct ImageListing {
    /// How messages call the registry.
    pub registry: String,
    /// Each image with its versions.
    pub images: Vec<ImageVersions>,
}

/// One image.
#[derive(Clone, Debug, Serialize)]
pub struct ImageVersions {
    /// Its name.
    pub image: ImageName,
    /// Its versions, the newest first as far as that is known.
    pub versions: Vec<ImageVersion>,
}

/// One version of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImageVersion {
    /// The digest that names exactly it.
    pub digest: Digest,
    /// The tags that stand for it.
    pub tags: Vec<Tag>,
    /// The bytes of its layers and configurations, all platforms together.
    pub size: u64,
    /// When it was pushed or promoted, for what the ledger knows of.
    pub pushed: Option<Timestamp>,
}

impl fmt::Display for ImageListing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.registry)?;
        for ImageVersions { image, versions } in &self.images {
            write!(f, "\n{image}")?;
            if versions.is_empty() {
                f.write_str(": nothing was pushed yet")?;
            }
            for version in versions {
                let tags: Vec<&str> = version.tags.iter().map(Tag::as_str).collect();
                let megabytes = version.size as f64 / 1e6;
                write!(f, "\n  {}  {megabytes:>9.1} MB  ", version.digest)?;
                match version.pushed {
                    Some(time) => write!(f, "{time}")?,
                    None => write!(f, "{:20}", "-")?,
                }
                write!(f, "  {}", tags.join(", "))?;
            }
        }
        Ok(())
    }
}

impl Infra {
    /// The tagged versions of an image, or of all images of this repo, in the environment's registry.
    ///
    /// # Errors
    /// `NotFound` when infra.toml has no such image; what the registry fails with.
    pub async fn list_images(&self, name: Option<&str>) -> Result<ImageListing> {
        let registry = &self.ports().images;
        let times = self.pushes().await?;
        let mut images = Vec::new();
        for label in self.images_meant(name)? {
            let (_, image, _) = self.image_named(label.as_str())?;
            let tags = registry.tags(&image).await?;
            let found = together(tags, |tag| {
                let (registry, image) = (registry.clone(), image.clone());
                async move {
                    let digest = registry.head_manifest(&image, &Reference::Tag(tag.clone())).await?;
                    Ok((tag, digest))
                }
            });
            let mut by_digest: BTreeMap<Digest, Vec<Tag>> = BTreeMap::new();
            for (tag, digest) in found.await? {
                // A tag may go while this looks.
                if let Some(digest) = digest {
                    by_digest.entry(digest).or_default().push(tag);
                }
            }
            let sizes = together(by_digest.keys().cloned(), |digest| {
                let (registry, image) = (registry.clone(), image.clone());
                async move { stored_size(&*registry, &image, &digest).await }
            });
            let sizes = sizes.await?;
            let versions = by_digest.into_iter().zip(sizes).map(|((digest, tags), size)| {
                let pushed = times.get(&(image.to_string(), digest.to_string())).copied();
                ImageVersion { digest, tags, size, pushed }
            });
            let mut versions: Vec<ImageVersion> = versions.collect();
            versions.sort_by(|a, b| b.pushed.cmp(&a.pushed).then_with(|| b.tags.cmp(&a.tags)));
            images.push(ImageVersions { image, versions });
        }
        Ok(ImageListing { registry: registry.name().to_owned(), images })
    }

    /// When images came into this environment, by name and digest.
    async fn pushes(&self) -> Result<BTreeMap<(String, String), Timestamp>> {
        let filter = Filter {
            env: Some(self.environment().clone()),
            project: Some(self.settings().project.name.clone()),
            action: None,
        };
        let history = ledger::history(&*self.ports().ledger, &filter, usize::MAX).await?;
        let mut times = BTreeMap::new();
        for entry in history.entries.into_iter().filter(|entry| entry.action.starts_with("image.")) {
            if let Some(digest) = entry.details.get("digest") {
                times.entry((entry.subject.clone(), digest.clone())).or_insert(entry.time);
            }
        }
        Ok(times)
    }
}

/// Asks about each of many things, several at a time; the answers come in their order.
async fn together<I, T, F>(items: impl IntoIterator<Item = I>, ask: impl Fn(I) -> F) -> Result<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let (mut all, mut waiting) = (Vec::new(), VecDeque::new());
    for item in items {
        if waiting.len() == AT_ONCE {
            all.extend(next(&mut waiting).await?);
        }
        waiting.push_back(tokio::spawn(ask(item)));
    }
    while !waiting.is_empty() {
        all.extend(next(&mut waiting).await?);
    }
    Ok(all)
}

async fn next<T>(waiting: &mut VecDeque<JoinHandle<Result<T>>>) -> Result<Option<T>> {
    let Some(first) = waiting.pop_front() else { return Ok(None) };
    let answer = first.await.map_err(|error| {
        Error::new(ErrorKind::Cancelled, "asking a registry was cut off").because(error).hint("run it again")
    })?;
    answer.map(Some)
}

/// The bytes of everything a manifest names; of an index, of each image it names.
async fn stored_size(registry: &dyn ImageRegistry, image: &ImageName, digest: &Digest) -> Result<u64> {
    let (mut size, mut left) = (0, vec![digest.clone()]);
    let mut seen = Vec::new();
    while let Some(digest) = left.pop() {
        if seen.contains(&digest) {
            continue;
        }
        let Some(stored) = registry.get_manifest(image, &Reference::Digest(digest.clone())).await? else {
            continue;
        };
        let unread = |error: serde_json::Error| {
            Error::invalid("the manifest of an image cannot be read")
                .with("image", format!("{image}@{}", digest.short()))
                .because(error)
                .hint("push this image again")
        };
        if oci::is_index(&stored.media_type) {
            let index: Index = serde_json::from_slice(&stored.content).map_err(unread)?;
            left.extend(index.manifests.into_iter().map(|child| child.digest));
        } else {
            let manifest: Manifest = serde_json::from_slice(&stored.content).map_err(unread)?;
            size = with_blobs(size, &manifest);
        }
        seen.push(digest);
    }
    Ok(size)
}

/// `size` and the bytes of what a manifest names. Registries are believed what they state, so the sum may be at its end.
fn with_blobs(size: u64, manifest: &Manifest) -> u64 {
    let blobs = manifest.layers.iter().chain([&manifest.config]);
    blobs.fold(size, |size, blob| size.saturating_add(blob.size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::oci::Descriptor;

    #[test]
    fn sizes_that_no_sum_holds_are_the_largest_one() {
        let blob = |size| Descriptor::new(oci::LAYER_GZIP, Digest::of(b""), size);
        let manifest = |size| Manifest {
            schema_version: 2,
            media_type: None,
            config: blob(2),
            layers: vec![blob(size), blob(3)],
            annotations: BTreeMap::new(),
        };
        assert_eq!(with_blobs(with_blobs(0, &manifest(10)), &manifest(20)), 40);
        assert_eq!(with_blobs(7, &manifest(u64::MAX)), u64::MAX);
    }
}
