//! Pulling an image and unpacking it into a folder that is whole or not there.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::file::{self, Access, failed};
use crate::images::inside::follow;
use crate::images::oci::{self, Config, Index, Manifest, Platform};
use crate::images::registry::ImageRegistry;
use crate::images::{extract, fetch};
use crate::names::{ImageName, quoted};

/// What an image runs, and for which machine it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImageInfo {
    /// The image's name.
    pub name: ImageName,
    /// The image's digest.
    pub digest: Digest,
    /// The program and its arguments; paths are paths in the image.
    pub entrypoint: Vec<String>,
    /// Variables set in the image.
    pub env: BTreeMap<String, String>,
    /// The folder of the image it runs in.
    pub working_dir: String,
    /// Notes, such as the version.
    pub labels: BTreeMap<String, String>,
    /// The machine it is for.
    pub platform: Platform,
}

/// An image unpacked into a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnpackedImage {
    /// What it runs.
    #[serde(flatten)]
    pub info: ImageInfo,
    /// The folder that is the image's `/`.
    pub rootfs: PathBuf,
}

impl UnpackedImage {
    /// The image `info` in a folder it was unpacked to before.
    pub fn at(info: ImageInfo, rootfs: impl Into<PathBuf>) -> Self {
        UnpackedImage { info, rootfs: rootfs.into() }
    }

    /// Where the image's program stands on this machine.
    ///
    /// # Errors
    /// `Invalid` when the image names none, or one that is not in it.
    pub fn program(&self) -> Result<PathBuf> {
        let program = self.info.entrypoint.first().map(String::as_str).unwrap_or_default();
        let in_image = Path::new(&self.info.working_dir).join(program);
        self.host_path(&in_image).filter(|path| !program.is_empty() && path.is_file()).ok_or_else(|| {
            Error::invalid(format!("the program {} is not in image {}", quoted(program), self.info.name))
                .with("digest", &self.info.digest)
                .hint("build the image with a program of its own files as entrypoint")
        })
    }

    /// Where the image's working folder stands on this machine; its root if it names none that is there.
    pub fn working_dir(&self) -> PathBuf {
        let folder = self.host_path(Path::new(&self.info.working_dir)).filter(|path| path.is_dir());
        folder.unwrap_or_else(|| self.rootfs.clone())
    }

    /// An absolute path in the image as a path on this machine; never outside of `rootfs`.
    fn host_path(&self, in_image: &Path) -> Option<PathBuf> {
        let below = in_image.strip_prefix("/").ok()?;
        follow(&self.rootfs, Path::new(""), below).map(|path| self.rootfs.join(path))
    }
}

/// Reads what an image runs on this machine, without its layers; see [`inspect_for`].
///
/// # Errors
/// As [`inspect_for`].
pub async fn inspect(registry: &dyn ImageRegistry, image: &ImageName, digest: &Digest) -> Result<ImageInfo> {
    inspect_for(registry, image, digest, &Platform::host()).await
}

/// Reads what an image runs, without its layers; out of an index, the image for `platform`. What is no index is read
/// whatever machine it is for.
///
/// # Errors
/// `NotFound` when the image is not there, or not for the platform; `Invalid` when it is damaged; what the registry fails
/// with.
pub async fn inspect_for(
    registry: &dyn ImageRegistry,
    image: &ImageName,
    digest: &Digest,
    platform: &Platform,
) -> Result<ImageInfo> {
    let manifest = fetch::manifest(registry, image, digest, platform).await?;
    let config = fetch::config(registry, image, &manifest).await?;
    Ok(info(image, digest, config))
}

/// The machines that an image is for, sorted.
///
/// # Errors
/// As [`inspect_for`].
pub async fn platforms(
    registry: &dyn ImageRegistry,
    image: &ImageName,
    digest: &Digest,
) -> Result<Vec<Platform>> {
    let stored = fetch::stored(registry, image, digest).await?;
    if !oci::is_index(&stored.media_type) {
        let manifest: Manifest = fetch::parse(&stored.content, "manifest", digest)?;
        let Config { architecture, os, .. } = fetch::config(registry, image, &manifest).await?;
        return Ok(vec![Platform { architecture, os }]);
    }
    let index: Index = fetch::parse(&stored.content, "index", digest)?;
    let mut platforms: Vec<Platform> = fetch::real_platforms(&index).cloned().collect();
    platforms.sort();
    platforms.dedup();
    Ok(platforms)
}

fn info(image: &ImageName, digest: &Digest, config: Config) -> ImageInfo {
    let run = config.config;
    let env = run.env.unwrap_or_default();
    let pair = |line: &String| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    ImageInfo {
        name: image.clone(),
        digest: digest.clone(),
        entrypoint: [run.entrypoint, run.cmd].into_iter().flatten().flatten().collect(),
        env: env.iter().filter_map(pair).collect(),
        working_dir: run.working_dir.filter(|dir| !dir.is_empty()).unwrap_or_else(|| "/".into()),
        labels: run.labels.unwrap_or_default(),
        platform: Platform { architecture: config.architecture, os: config.os },
    }
}

/// Fetches an image for this machine and unpacks it; see [`pull_for`].
///
/// # Errors
/// As [`pull_for`].
pub async fn pull(
    registry: &dyn ImageRegistry,
    image: &ImageName,
    digest: &Digest,
    into: &Path,
) -> Result<UnpackedImage> {
    pull_for(registry, image, digest, &Platform::host(), into).await
}

/// Fetches an image and unpacks its layers into `into`, which must not be there yet; out of an index, the image for
/// `platform`. What is no index is unpacked whatever machine it is for.
///
/// Every byte is checked against `digest`; the work is done in a folder beside
/// `into`, which gets its name at the very end.
///
/// # Errors
/// `NotFound` when the image is not there, or not for the platform; `Conflict` when `into` is; `Invalid` when the image is damaged or
/// would write outside of `into`; what the registry fails with; `Denied` or `Io`, with the path.
pub async fn pull_for(
    registry: &dyn ImageRegistry,
    image: &ImageName,
    digest: &Digest,
    platform: &Platform,
    into: &Path,
) -> Result<UnpackedImage> {
    if fs::symlink_metadata(into).is_ok() {
        return Err(Error::new(ErrorKind::Conflict, "there is something at the place to unpack to")
            .with("path", into.display())
            .hint("remove it, or unpack to another place"));
    }
    let manifest = fetch::manifest(registry, image, digest, platform).await?;
    let config = fetch::config(registry, image, &manifest).await?;
    let scratch = Scratch::beside(into)?;
    let layers = pair_layers(&manifest, &config)?;
    for (number, (layer, diff_id)) in layers.into_iter().enumerate() {
        let path = scratch.0.join("layer");
        let mut file = create(&path)?;
        fetch::blob(registry, image, layer, &mut file).await?;
        drop(file);
        let file = File::open(&path).map_err(|error| failed("read a layer", &path, error))?;
        let (root, media_type, diff_id) = (scratch.root(), layer.media_type.clone(), diff_id.clone());
        let work = tokio::task::spawn_blocking(move || {
            extract::layer(file, &media_type, &diff_id, &root, number == 0)
        });
        let done = work.await.map_err(|error| Error::new(ErrorKind::Bug, "unpack a layer").because(error))?;
        done.map_err(|error| error.with("image", image).with("digest", digest))?;
    }
    extract::check_links(&scratch.root(), Path::new(""))?;
    fs::rename(scratch.root(), into)
        .map_err(|error| failed("put the unpacked image in place", into, error))?;
    Ok(UnpackedImage { info: info(image, digest, config), rootfs: into.to_owned() })
}

fn pair_layers<'a>(
    manifest: &'a Manifest,
    config: &'a Config,
) -> Result<Vec<(&'a crate::images::oci::Descriptor, &'a Digest)>> {
    if manifest.layers.len() != config.rootfs.diff_ids.len() {
        return Err(Error::invalid("the image's manifest and configuration name different layers")
            .hint("build and push the image again"));
    }
    Ok(manifest.layers.iter().zip(&config.rootfs.diff_ids).collect())
}

fn create(path: &Path) -> Result<File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    options.open(path).map_err(|error| failed("write a layer", path, error))
}

/// A folder for unfinished work, removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn beside(path: &Path) -> Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let scratch = Scratch(path.with_file_name(format!(".{name}.{}.tmp", crate::id::short()?)));
        file::make_dir(&scratch.root(), Access::Shared)?;
        Ok(scratch)
    }

    fn root(&self) -> PathBuf {
        self.0.join("rootfs")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
