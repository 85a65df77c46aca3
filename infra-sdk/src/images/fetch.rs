//! Fetching from a registry with every byte checked: nothing is used that is not what its digest says.

use std::io::{self, Write};

use serde::de::DeserializeOwned;

use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};
use crate::images::layout::wrong_digest;
use crate::images::oci::{self, Config, Descriptor, Index, Manifest, Platform};
use crate::images::registry::{ImageRegistry, Reference, StoredManifest};
use crate::names::ImageName;

/// The largest configuration that is read.
const CONFIG_LIMIT: u64 = 8 << 20;

/// What `digest` names: a manifest or an index, checked.
pub(super) async fn stored(
    registry: &dyn ImageRegistry,
    image: &ImageName,
    digest: &Digest,
) -> Result<StoredManifest> {
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
        oci::MANIFEST | oci::DOCKER_MANIFEST | oci::INDEX | oci::DOCKER_LIST => Ok(stored),
        other => Err(Error::invalid("this digest does not name an image")
            .with("media type", crate::names::quoted(other))
            .hint("give the digest that the build printed")),
    }
}

/// The manifest `digest` of an image; out of an index, the one for `platform`.
pub(super) async fn manifest(
    registry: &dyn ImageRegistry,
    image: &ImageName,
    digest: &Digest,
    platform: &Platform,
) -> Result<Manifest> {
    let stored = stored(registry, image, digest).await?;
    if !oci::is_index(&stored.media_type) {
        return parse(&stored.content, "manifest", digest);
    }
    let index: Index = parse(&stored.content, "index", digest)?;
    let fits = |listed: &&Descriptor| listed.platform.as_ref() == Some(platform);
    let Some(listed) = index.manifests.iter().find(fits) else {
        let error =
            Error::not_found(format!("image {image} is not there for {platform}")).with("digest", digest);
        let there: Vec<String> = real_platforms(&index).map(ToString::to_string).collect();
        return Err(error.hint(format!(
            "add the platform to `platforms` of the image in infra.toml; it is there for {}",
            there.join(", ")
        )));
    };
    let child = self::stored(registry, image, &listed.digest).await?;
    if oci::is_index(&child.media_type) {
        return Err(Error::invalid("an index of images names another index")
            .with("digest", digest)
            .hint("give the digest of the image for your platform"));
    }
    parse(&child.content, "manifest", &listed.digest)
}

/// The platforms of an index; what is for none, such as a signature, is left out.
pub(super) fn real_platforms(index: &Index) -> impl Iterator<Item = &Platform> {
    index
        .manifests
        .iter()
        .filter_map(|listed| listed.platform.as_ref())
        .filter(|platform| platform.os != "unknown")
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

pub(super) fn parse<T: DeserializeOwned>(content: &[u8], what: &str, digest: &Digest) -> Result<T> {
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
