//! Fetching from a registry with every byte checked: nothing is used that is not what its digest says.

use std::io::{self, Write};

use serde::de::DeserializeOwned;

use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};
use crate::images::layout::wrong_digest;
use crate::images::oci::{self, Config, Descriptor, Manifest};
use crate::images::registry::{ImageRegistry, Reference};
use crate::names::ImageName;

/// The largest configuration that is read.
const CONFIG_LIMIT: u64 = 8 << 20;

/// The manifest `digest` of an image for one platform.
pub(super) async fn manifest(
    registry: &dyn ImageRegistry,
    image: &ImageName,
    digest: &Digest,
) -> Result<Manifest> {
    let at = Reference::Digest(digest.clone());
    let Some(stored) = registry.get_manifest(image, &at).await? else {
        return Err(Error::not_found(format!("image {image} is not in {}", registry.name()))
            .with("digest", digest)
            .hint("push the image first, or deploy one that is there"));
    };
    let found = stored.digest();
    if found != *digest {
        return Err(wrong_digest(digest, &found));
    }
    match stored.media_type.as_str() {
        oci::MANIFEST | oci::DOCKER_MANIFEST => parse(&stored.content, "manifest", digest),
        oci::INDEX => Err(Error::invalid("this digest names a list of images for several platforms")
            .with("digest", digest)
            .hint("give the digest of the image for your platform")),
        other => Err(Error::invalid("this digest does not name an image")
            .with("media type", crate::names::quoted(other))
            .hint("give the digest that the build printed")),
    }
}

/// The configuration that a manifest names.
pub(super) async fn config(
    registry: &dyn ImageRegistry,
    image: &ImageName,
    manifest: &Manifest,
) -> Result<Config> {
    if manifest.config.size > CONFIG_LIMIT {
        return Err(Error::invalid("the image's configuration is too large")
            .with("bytes", manifest.config.size)
            .hint("build the image again"));
    }
    let mut content = Vec::new();
    blob(registry, image, &manifest.config, &mut content).await?;
    parse(&content, "configuration", &manifest.config.digest)
}

/// Writes a blob to `to`. What was written before an error must not be used.
pub(super) async fn blob(
    registry: &dyn ImageRegistry,
    image: &ImageName,
    blob: &Descriptor,
    to: &mut (dyn Write + Send),
) -> Result<()> {
    let mut checked = Checked { to, hasher: Hasher::new(), left: blob.size };
    if !registry.get_blob(image, &blob.digest, &mut checked).await? {
        return Err(Error::not_found(format!("a part of image {image} is not in {}", registry.name()))
            .with("blob", &blob.digest)
            .hint("push the image again"));
    }
    let found = checked.hasher.finish();
    if checked.left > 0 || found != blob.digest {
        return Err(wrong_digest(&blob.digest, &found));
    }
    Ok(())
}

fn parse<T: DeserializeOwned>(content: &[u8], what: &str, digest: &Digest) -> Result<T> {
    serde_json::from_slice(content).map_err(|error| {
        Error::invalid(format!("the image's {what} cannot be read"))
            .with("digest", digest)
            .because(error)
            .hint("build and push the image again")
    })
}

/// Passes on and hashes at most as many bytes as were promised.
struct Checked<'a> {
    to: &'a mut (dyn Write + Send),
    hasher: Hasher,
    left: u64,
}

impl Write for Checked<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.left {
            return Err(io::Error::other("the blob is larger than its manifest says"));
        }
        let written = self.to.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.left -= written as u64;
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
