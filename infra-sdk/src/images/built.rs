//! An image on disk, as a layout folder: for one platform, or an index of one for each.

use std::fmt;

use serde::Serialize;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::images::layout::Layout;
use crate::images::oci::{self, Config, Descriptor, Index, Manifest, Platform};
use crate::images::told::total;
use crate::names::ImageName;

/// An image that was built, as a layout folder on disk.
#[derive(Clone, Debug)]
pub struct BuiltImage {
    /// Its name.
    pub name: ImageName,
    /// Where its manifest stands, or its index.
    pub descriptor: Descriptor,
    /// What it is on each platform; exactly one where there is no index.
    pub images: Vec<PlatformImage>,
    /// The folder that holds it.
    pub layout: Layout,
}

/// An image for one platform.
#[derive(Clone, Debug)]
pub struct PlatformImage {
    /// The machine it is for.
    pub platform: Platform,
    /// Where its manifest stands.
    pub descriptor: Descriptor,
    /// Its parts.
    pub manifest: Manifest,
}

impl BuiltImage {
    /// The image that a layout folder holds, such as one that another tool wrote.
    ///
    /// # Errors
    /// `NotFound` when the folder holds no image; `Invalid` when it holds several without an index over them, or one that
    /// is damaged; `Denied` or `Io`.
    pub fn open(name: ImageName, layout: Layout) -> Result<Self> {
        let mut listed = layout.index()?.manifests;
        listed.sort_by(|a, b| a.digest.cmp(&b.digest));
        listed.dedup_by(|a, b| a.digest == b.digest);
        let [descriptor] = listed.as_slice() else {
            let error = match listed.len() {
                0 => Error::not_found("the layout folder holds no image"),
                _ => Error::invalid("the layout folder holds several images without an index over them"),
            };
            return Err(error
                .with("path", layout.folder().display())
                .hint("write one image into the folder"));
        };
        let mut descriptor = descriptor.clone();
        descriptor.annotations.clear();
        let images = if oci::is_index(&descriptor.media_type) {
            let index: Index = layout.read(&descriptor.digest)?;
            index
                .manifests
                .into_iter()
                .map(|child| PlatformImage::open(&layout, child))
                .collect::<Result<_>>()?
        } else {
            vec![PlatformImage::open(&layout, descriptor.clone())?]
        };
        Ok(BuiltImage { name, descriptor, images, layout })
    }

    /// The digest that names exactly this image.
    pub fn digest(&self) -> &Digest {
        &self.descriptor.digest
    }

    /// The size of its configurations and layers as they are stored, in bytes.
    pub fn size(&self) -> u64 {
        total(self.blobs())
    }

    /// The digests of its layers, lowest first, platform by platform.
    pub fn layers(&self) -> impl Iterator<Item = &Digest> {
        self.images.iter().flat_map(|image| &image.manifest.layers).map(|layer| &layer.digest)
    }

    /// The machines it is for.
    pub fn platforms(&self) -> impl Iterator<Item = &Platform> {
        self.images.iter().map(|image| &image.platform)
    }

    /// Whether it is an index of images.
    pub fn is_index(&self) -> bool {
        oci::is_index(&self.descriptor.media_type)
    }

    /// The manifests that an index names; none where there is no index.
    pub(super) fn children(&self) -> &[PlatformImage] {
        if self.is_index() { &self.images } else { &[] }
    }

    /// Layers and configurations: everything a registry needs before the manifests.
    pub(super) fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        self.images.iter().flat_map(|image| image.manifest.layers.iter().chain([&image.manifest.config]))
    }
}

impl PlatformImage {
    fn open(layout: &Layout, descriptor: Descriptor) -> Result<Self> {
        let manifest: Manifest = layout.read(&descriptor.digest)?;
        let platform = match descriptor.platform.clone() {
            Some(platform) => platform,
            None => {
                let config: Config = layout.read(&manifest.config.digest)?;
                Platform { architecture: config.architecture, os: config.os }
            }
        };
        Ok(PlatformImage { platform, descriptor, manifest })
    }
}

impl Serialize for BuiltImage {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut fields = serializer.serialize_struct("BuiltImage", 5)?;
        fields.serialize_field("name", &self.name)?;
        fields.serialize_field("digest", self.digest())?;
        fields.serialize_field("size", &self.size())?;
        fields.serialize_field("layers", &self.layers().collect::<Vec<_>>())?;
        let platforms: Vec<String> = self.platforms().map(Platform::to_string).collect();
        fields.serialize_field("platforms", &platforms)?;
        fields.end()
    }
}

impl fmt::Display for BuiltImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "image {} {} ({} bytes)", self.name, self.digest(), self.size())?;
        if self.is_index() {
            let platforms: Vec<String> = self.platforms().map(Platform::to_string).collect();
            write!(f, " for {}", platforms.join(", "))?;
        }
        Ok(())
    }
}
