//! A registry of images on plain files: one OCI layout folder for each image name.

use std::io::Write;
use std::path::PathBuf;

use async_trait::async_trait;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::file::{self, FileLock, failed};
use crate::images::{BlobSource, ImageRegistry, Layout, Reference, StoredManifest};
use crate::names::{ImageName, Tag};

/// A manifest may have this size, as in other registries.
const MANIFEST_LIMIT: u64 = 4 << 20;

/// Images as OCI layout folders under one root, which skopeo, umoci and others read too.
///
/// The folder of `shop-api/app` is `shop-api+app`: no image name has a `+`, so
/// no image can stand inside the folder of another.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> infra_sdk::Result<()> {
/// # let folder = std::env::temp_dir().join(format!("registry-{}", infra_sdk::id::short()?));
/// use infra_sdk::images::ImageRegistry;
/// use infra_sdk::local::LocalRegistry;
/// let registry = LocalRegistry::new(&folder);
/// assert!(registry.tags(&"shop-api/app".parse()?).await?.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct LocalRegistry {
    root: PathBuf,
    name: String,
}

impl LocalRegistry {
    /// The registry in the folder `root`, which is made with the first push.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let name = format!("the local registry {}", root.display());
        LocalRegistry { root, name }
    }

    /// The layout folder of one image.
    pub fn layout(&self, image: &ImageName) -> Layout {
        Layout::at(self.root.join(folder_name(image)))
    }

    /// Changes of one image happen one after the other, also between processes.
    fn lock(&self, image: &ImageName) -> Result<FileLock> {
        FileLock::acquire(&self.root.join(format!(".{}.lock", folder_name(image))))
    }
}

fn folder_name(image: &ImageName) -> String {
    image.as_str().replace('/', "+")
}

#[async_trait]
impl ImageRegistry for LocalRegistry {
    fn name(&self) -> &str {
        &self.name
    }

    async fn has_blob(&self, image: &ImageName, digest: &Digest) -> Result<bool> {
        Ok(self.layout(image).has_blob(digest))
    }

    async fn put_blob(&self, image: &ImageName, digest: &Digest, content: BlobSource<'_>) -> Result<()> {
        // Blobs need no lock: each is written beside its place, and its place says its content.
        Layout::create(self.layout(image).folder())?.put_blob(digest, content)
    }

    async fn get_blob(
        &self,
        image: &ImageName,
        digest: &Digest,
        to: &mut (dyn Write + Send),
    ) -> Result<bool> {
        let layout = self.layout(image);
        let Some(mut blob) = layout.open_blob(digest)? else { return Ok(false) };
        std::io::copy(&mut blob, to)
            .map_err(|error| failed("read a blob", &layout.blob_path(digest), error))?;
        Ok(true)
    }

    async fn put_manifest(
        &self,
        image: &ImageName,
        content: &[u8],
        media_type: &str,
        tag: Option<&Tag>,
    ) -> Result<Digest> {
        if content.len() as u64 > MANIFEST_LIMIT {
            return Err(
                Error::invalid("the manifest is larger than 4 MiB").hint("put fewer layers into the image")
            );
        }
        let _lock = self.lock(image)?;
        Layout::create(self.layout(image).folder())?.put_manifest(content, media_type, tag)
    }

    async fn get_manifest(&self, image: &ImageName, at: &Reference) -> Result<Option<StoredManifest>> {
        let layout = self.layout(image);
        let listed = layout.index()?.manifests.into_iter().find(|manifest| match at {
            Reference::Tag(tag) => manifest.tag() == Some(tag.as_str()),
            Reference::Digest(digest) => manifest.digest == *digest,
        });
        let Some(listed) = listed else { return Ok(None) };
        let content = file::read(&layout.blob_path(&listed.digest), MANIFEST_LIMIT)?;
        Ok(content.map(|content| StoredManifest { content, media_type: listed.media_type }))
    }

    async fn tags(&self, image: &ImageName) -> Result<Vec<Tag>> {
        let index = self.layout(image).index()?;
        // Other tools may write notes that are no tags into the same place.
        let mut tags: Vec<Tag> =
            index.manifests.iter().filter_map(|m| m.tag()).filter_map(|tag| tag.parse().ok()).collect();
        tags.sort();
        tags.dedup();
        Ok(tags)
    }
}
