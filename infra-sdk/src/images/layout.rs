//! An OCI image layout: a folder of blobs by digest with an index, as other tools read and write it.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::digest::{Digest, Hasher};
use crate::error::{Error, ErrorKind, Result};
use crate::file::{self, Access, Temporary, failed};
use crate::images::oci::{self, Descriptor, Index, LayoutFile, Manifest};
use crate::images::registry::BlobSource;
use crate::names::Tag;

/// The largest manifest that is read, as registries limit it too.
pub(crate) const MANIFEST_LIMIT: u64 = 4 << 20;

/// A folder in the [OCI image layout](https://github.com/opencontainers/image-spec/blob/main/image-layout.md).
///
/// Every file in it is whole or not there. Changes of the index by several
/// processes need a lock around them, which the caller holds.
///
/// ```
/// # fn main() -> infra_sdk::Result<()> {
/// # let folder = std::env::temp_dir().join(format!("layout-{}", infra_sdk::id::short()?));
/// use infra_sdk::images::Layout;
/// let layout = Layout::create(&folder)?;
/// let digest = layout.put_bytes(b"hello")?;
/// assert_eq!(std::fs::read(layout.blob_path(&digest))?, b"hello");
/// # std::fs::remove_dir_all(folder)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Layout {
    folder: PathBuf,
}

impl Layout {
    /// The layout in `folder`, which need not be there yet for reading: it is then empty.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Layout { folder: folder.into() }
    }

    /// The layout in `folder`, made if it is not there.
    ///
    /// # Errors
    /// `Denied` or `Io`, with the path.
    pub fn create(folder: impl Into<PathBuf>) -> Result<Self> {
        let layout = Self::at(folder);
        file::make_dir(&layout.blobs(), Access::Shared)?;
        file::sweep_old(&layout.blobs());
        // The marker comes last: once it is there, so is everything else.
        if !layout.is_complete() {
            if !layout.folder.join("index.json").exists() {
                layout.write_index(&Index::default())?;
            }
            let content = to_json(&LayoutFile { image_layout_version: "1.0.0".into() })?;
            file::write(&layout.marker(), &content, Access::Shared)?;
        }
        Ok(layout)
    }

    fn marker(&self) -> PathBuf {
        self.folder.join("oci-layout")
    }

    /// Whether the folder is there with all that makes it a layout.
    pub(crate) fn is_complete(&self) -> bool {
        self.marker().is_file()
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn blobs(&self) -> PathBuf {
        self.folder.join("blobs").join("sha256")
    }

    /// Where a blob stands, or would stand.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.blobs().join(digest.hex())
    }

    /// Whether a blob is there.
    pub fn has_blob(&self, digest: &Digest) -> bool {
        self.blob_path(digest).is_file()
    }

    /// An empty file to write a blob into whose digest is not known yet; hand it to [`keep`](Layout::keep).
    pub(crate) fn new_blob(&self) -> Result<Temporary> {
        Temporary::beside(&self.blobs().join("new"), Access::Shared)
    }

    /// Gives a written file its place as the blob `digest`.
    pub(crate) fn keep(&self, blob: Temporary, digest: &Digest) -> Result<()> {
        let path = self.blob_path(digest);
        blob.file.sync_all().map_err(|error| failed("write a blob", &path, error))?;
        blob.persist(&path)
    }

    /// Stores bytes under their digest.
    ///
    /// # Errors
    /// `Denied` or `Io`, with the path.
    pub fn put_bytes(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::of(bytes);
        self.put_blob(&digest, BlobSource::Bytes(bytes))?;
        Ok(digest)
    }

    /// Stores a blob, after checking its digest.
    ///
    /// # Errors
    /// `Invalid` when the content has another digest; `Denied` or `Io`, with the path.
    pub fn put_blob(&self, digest: &Digest, content: BlobSource<'_>) -> Result<()> {
        if self.is_kept(digest, content)? {
            return check_same(digest, content);
        }
        let mut blob = self.new_blob()?;
        let mut tee = Tee { to: &mut blob.file, hasher: Hasher::new() };
        std::io::copy(&mut content.open()?, &mut tee)
            .map_err(|error| failed("write a blob", &self.blob_path(digest), error))?;
        let found = tee.hasher.finish();
        if found != *digest {
            return Err(wrong_digest(digest, &found));
        }
        self.keep(blob, digest)
    }

    /// Whether a blob is there already. One that was cut off or written over is made anew: bytes in memory are compared, files,
    /// which may be large, by their length.
    fn is_kept(&self, digest: &Digest, content: BlobSource<'_>) -> Result<bool> {
        let path = self.blob_path(digest);
        if path.metadata().is_ok_and(|meta| !meta.is_file() || meta.len() != content.len().unwrap_or(0)) {
            return Ok(false);
        }
        match content {
            BlobSource::Bytes(bytes) => Ok(file::read(&path, bytes.len() as u64)?.as_deref() == Some(bytes)),
            BlobSource::File(_) | BlobSource::Watched(..) => Ok(path.is_file()),
        }
    }

    /// Opens a blob; `None` when it is not there.
    ///
    /// # Errors
    /// `Denied` or `Io`, with the path.
    pub fn open_blob(&self, digest: &Digest) -> Result<Option<File>> {
        let path = self.blob_path(digest);
        match File::open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read a blob", &path, error)),
        }
    }

    /// The bytes of a manifest, checked.
    pub(crate) fn manifest(&self, digest: &Digest) -> Result<Vec<u8>> {
        let path = self.blob_path(digest);
        let content = file::read(&path, MANIFEST_LIMIT)?.ok_or_else(|| {
            Error::not_found("the built image is gone")
                .with("path", path.display())
                .hint("build the image again")
        })?;
        let found = Digest::of(&content);
        if found == *digest { Ok(content) } else { Err(wrong_digest(digest, &found)) }
    }

    /// A manifest, an index or a configuration, checked.
    pub(crate) fn read<T: serde::de::DeserializeOwned>(&self, digest: &Digest) -> Result<T> {
        serde_json::from_slice(&self.manifest(digest)?).map_err(|error| {
            Error::invalid("a document of the built image cannot be read")
                .with("path", self.blob_path(digest).display())
                .because(error)
                .hint("build the image again")
        })
    }

    /// The list of images; empty when the folder is not there.
    ///
    /// # Errors
    /// `Invalid` when the file is damaged; `Denied` or `Io`.
    pub fn index(&self) -> Result<Index> {
        Ok(file::read_json(&self.folder.join("index.json"))?.unwrap_or_default())
    }

    fn write_index(&self, index: &Index) -> Result<()> {
        file::write(&self.folder.join("index.json"), &to_json(index)?, Access::Shared)
    }

    /// Makes `image` the only one in the list.
    pub(crate) fn set_only(&self, image: Descriptor) -> Result<()> {
        self.write_index(&Index { manifests: vec![image], ..Index::default() })
    }

    /// Stores a manifest, lists it, and lets `tag` point at it. Manifests that lose their last tag stay listed.
    ///
    /// # Errors
    /// `Invalid` when the bytes are no manifest or name a blob that is not there; `Denied` or `Io`.
    pub fn put_manifest(&self, content: &[u8], media_type: &str, tag: Option<&Tag>) -> Result<Digest> {
        for needed in blobs_of(content, media_type)? {
            if !self.has_blob(&needed.digest) {
                return Err(Error::invalid("the manifest names a blob that is not there")
                    .with("blob", &needed.digest)
                    .hint("push the blobs of an image before its manifest"));
            }
        }
        let digest = self.put_bytes(content)?;
        let mut index = self.index()?;
        let mut image = Descriptor::new(media_type, digest.clone(), content.len() as u64);
        if let Some(tag) = tag {
            for listed in &mut index.manifests {
                if listed.tag() == Some(tag.as_str()) {
                    listed.annotations.remove(oci::REF_NAME);
                }
            }
            image.annotations.insert(oci::REF_NAME.into(), tag.to_string());
        }
        index.manifests.push(image);
        // One line without a tag is enough, and only for a manifest that has none.
        let tagged: Vec<Digest> =
            index.manifests.iter().filter(|m| m.tag().is_some()).map(|m| m.digest.clone()).collect();
        index.manifests.sort_by(|a, b| (a.tag(), &a.digest).cmp(&(b.tag(), &b.digest)));
        index.manifests.dedup_by(|a, b| a.digest == b.digest && a.tag() == b.tag());
        index.manifests.retain(|m| m.tag().is_some() || !tagged.contains(&m.digest));
        self.write_index(&index)?;
        Ok(digest)
    }
}

/// The blobs a manifest needs; the manifests, for an index.
fn blobs_of(content: &[u8], media_type: &str) -> Result<Vec<Descriptor>> {
    let damaged = |error: serde_json::Error| {
        Error::invalid("this is not a manifest")
            .because(error)
            .hint("push an image built by this crate or an OCI tool")
    };
    match media_type {
        oci::MANIFEST | oci::DOCKER_MANIFEST => {
            let manifest: Manifest = serde_json::from_slice(content).map_err(damaged)?;
            Ok(std::iter::once(manifest.config).chain(manifest.layers).collect())
        }
        oci::INDEX | oci::DOCKER_LIST => {
            Ok(serde_json::from_slice::<Index>(content).map_err(damaged)?.manifests)
        }
        other => Err(Error::invalid("this is not a manifest")
            .with("media type", crate::names::quoted(other))
            .hint(format!("use `{}` or `{}`", oci::MANIFEST, oci::INDEX))),
    }
}

fn check_same(digest: &Digest, content: BlobSource<'_>) -> Result<()> {
    let (found, _) = Digest::of_reader(content.open()?)?;
    if found == *digest { Ok(()) } else { Err(wrong_digest(digest, &found)) }
}

pub(crate) fn wrong_digest(expected: &Digest, found: &Digest) -> Error {
    Error::invalid("a blob is not what its digest says")
        .with("expected", expected)
        .with("found", found)
        .hint("remove the damaged blob where it is stored, then build and push the image again")
}

pub(crate) fn to_json<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value)
        .map_err(|error| Error::new(ErrorKind::Bug, "write a JSON document").because(error))
}

/// Hashes what it passes on.
pub(crate) struct Tee<W> {
    pub(crate) to: W,
    pub(crate) hasher: Hasher,
}

impl<W: Write> Write for Tee<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

/// Hashes what is read through it.
pub(crate) struct Hashed<R> {
    pub(crate) from: R,
    pub(crate) hasher: Hasher,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_tag_leaves_the_old_manifest_listed_once_and_without_a_tag() {
        let folder = std::env::temp_dir().join(format!("infra-sdk-layout-{}", crate::id::short().unwrap()));
        let layout = Layout::create(&folder).unwrap();
        let config = Descriptor::new(oci::CONFIG, layout.put_bytes(b"{}").unwrap(), 2);
        let manifest = |note: &str| {
            to_json(&Manifest {
                schema_version: 2,
                media_type: Some(oci::MANIFEST.into()),
                config: config.clone(),
                layers: vec![],
                annotations: [("note".to_owned(), note.to_owned())].into(),
            })
            .unwrap()
        };
        let tag = Tag::new("v1").unwrap();
        let old = layout.put_manifest(&manifest("old"), oci::MANIFEST, None).unwrap();
        layout.put_manifest(&manifest("old"), oci::MANIFEST, Some(&tag)).unwrap();
        let new = layout.put_manifest(&manifest("new"), oci::MANIFEST, Some(&tag)).unwrap();
        let listed: Vec<(Option<String>, Digest)> = layout
            .index()
            .unwrap()
            .manifests
            .iter()
            .map(|m| (m.tag().map(Into::into), m.digest.clone()))
            .collect();
        assert_eq!(listed, [(None, old), (Some("v1".into()), new)]);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
