//! The port to a registry of images: blobs and manifests by digest, tags that point at them.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use async_trait::async_trait;

use crate::digest::Digest;
use crate::error::Result;
use crate::file::failed;
use crate::names::{ImageName, Tag};

/// A registry of images, shaped as the OCI distribution specification has it.
///
/// Callers use [`push`](crate::images::push) and [`pull`](crate::images::pull), which skip what is there and check
/// every byte; an implementation only moves bytes.
///
/// # Contract
/// 1. A name nobody has pushed to is an empty one: `has_blob` is `false`, `get_manifest` is `None`, `tags` is empty.
/// 2. After `put_blob` the blob is there, whole, for that name; putting it again changes nothing.
/// 3. `put_blob` with content that has another digest fails with `Invalid`, and the blob is then not there.
/// 4. `get_blob` writes exactly the bytes that were put and gives `true`; for an absent blob it writes nothing and gives `false`.
/// 5. `get_blob` stops with the writer's error as soon as the writer refuses.
/// 6. `put_manifest` keeps the bytes as they are and gives their digest; `get_manifest` gives the same bytes and media
///    type back, by digest and by tag.
/// 7. `put_manifest` fails with `Invalid` when a blob that the manifest names is not there for that name, or when the bytes
///    are no manifest; the tag then points where it did.
/// 8. A tag that is put again moves to the new manifest, or fails with `Conflict` where tags cannot move; the old
///    manifest can still be had by digest.
/// 9. `tags` gives each tag once, sorted.
/// 10. Names do not see each other's blobs, manifests and tags.
#[async_trait]
pub trait ImageRegistry: Send + Sync {
    /// How messages call this registry.
    fn name(&self) -> &str;

    /// Where an image stands, as container engines write it, such as `registry.example.com/acme/shop-api/app`; behind an
    /// `@` with a digest, or a `:` with a tag, it can be pulled by them.
    fn address(&self, image: &ImageName) -> String;

    /// Whether a blob is there.
    ///
    /// # Errors
    /// `Denied`, `Unavailable` or `Io`.
    async fn has_blob(&self, image: &ImageName, digest: &Digest) -> Result<bool>;

    /// Stores a blob under its digest.
    ///
    /// # Errors
    /// `Invalid` when the content has another digest; `Denied`, `Unavailable` or `Io`.
    async fn put_blob(&self, image: &ImageName, digest: &Digest, content: BlobSource<'_>) -> Result<()>;

    /// Writes a blob piece by piece into `to`; `false` when it is not there.
    ///
    /// # Errors
    /// What `to` fails with; `Denied`, `Unavailable` or `Io`.
    async fn get_blob(&self, image: &ImageName, digest: &Digest, to: &mut (dyn Write + Send))
    -> Result<bool>;

    /// Stores a manifest, and lets `tag` point at it.
    ///
    /// # Errors
    /// `Invalid` when it is no manifest or names an absent blob; `Conflict` when the tag cannot move; `Denied`, `Unavailable` or `Io`.
    async fn put_manifest(
        &self,
        image: &ImageName,
        content: &[u8],
        media_type: &str,
        tag: Option<&Tag>,
    ) -> Result<Digest>;

    /// A manifest; `None` when it is not there.
    ///
    /// # Errors
    /// `Denied`, `Unavailable` or `Io`.
    async fn get_manifest(&self, image: &ImageName, at: &Reference) -> Result<Option<StoredManifest>>;

    /// All tags of an image, sorted.
    ///
    /// # Errors
    /// `Denied`, `Unavailable` or `Io`.
    async fn tags(&self, image: &ImageName) -> Result<Vec<Tag>>;
}

/// Which manifest of an image is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// The one a tag points at now.
    Tag(Tag),
    /// Exactly this one.
    Digest(Digest),
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Reference::Tag(tag) => tag.fmt(f),
            Reference::Digest(digest) => digest.fmt(f),
        }
    }
}

impl From<Tag> for Reference {
    fn from(tag: Tag) -> Self {
        Reference::Tag(tag)
    }
}

impl From<Digest> for Reference {
    fn from(digest: Digest) -> Self {
        Reference::Digest(digest)
    }
}

/// A manifest as a registry keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredManifest {
    /// The bytes, exactly as they were put.
    pub content: Vec<u8>,
    /// What they are.
    pub media_type: String,
}

impl StoredManifest {
    /// The address of the bytes.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.content)
    }
}

/// Where the bytes of a blob come from: layers are files, so that they need not fit in memory.
#[derive(Clone, Copy, Debug)]
pub enum BlobSource<'a> {
    /// Bytes in memory.
    Bytes(&'a [u8]),
    /// A file.
    File(&'a Path),
}

impl<'a> BlobSource<'a> {
    /// How many bytes there are.
    ///
    /// # Errors
    /// `NotFound`, `Denied` or `Io`, with the path.
    pub fn len(&self) -> Result<u64> {
        match self {
            BlobSource::Bytes(bytes) => Ok(bytes.len() as u64),
            BlobSource::File(path) => match path.metadata() {
                Ok(meta) => Ok(meta.len()),
                Err(error) => Err(failed("read a blob", path, error)),
            },
        }
    }

    /// Whether there are no bytes.
    ///
    /// # Errors
    /// As [`len`](BlobSource::len).
    pub fn is_empty(&self) -> Result<bool> {
        self.len().map(|length| length == 0)
    }

    /// Reads from the start.
    ///
    /// # Errors
    /// `NotFound`, `Denied` or `Io`, with the path.
    pub fn open(&self) -> Result<Box<dyn Read + Send + 'a>> {
        match *self {
            BlobSource::Bytes(bytes) => Ok(Box::new(bytes)),
            BlobSource::File(path) => match File::open(path) {
                Ok(file) => Ok(Box::new(file)),
                Err(error) => Err(failed("read a blob", path, error)),
            },
        }
    }
}
