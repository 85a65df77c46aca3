//! Unpacking one layer into a folder, without ever leaving it, whatever the archive says.

use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Read, Seek};
use std::path::{Component, Path, PathBuf};

use flate2::read::MultiGzDecoder;
use tar::{Archive, Entry, EntryType};

use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};
use crate::file::failed;
use crate::images::inside::follow;
use crate::images::layout::{Hashed, wrong_digest};
use crate::images::oci;
use crate::names::quoted;

const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";

/// Unpacks a layer over what stands in `root`, and checks its digest before compression.
pub(super) fn layer(
    mut file: File,
    media_type: &str,
    diff_id: &Digest,
    root: &Path,
    lowest: bool,
) -> Result<()> {
    // A whiteout removes what lower layers put there and nothing of its own layer, in
    // whatever order they stand: so all whiteouts come first. The lowest layer has none to obey.
    if !lowest {
        each(&mut file, media_type, |path, _| match whiteout(path)? {
            Some(whiteout) => whiteout.apply(root),
            None => Ok(()),
        })?;
        file.rewind().map_err(|error| failed("read a layer", root, error))?;
    }
    let found = each(&mut file, media_type, |path, entry| match whiteout(path)? {
        Some(_) => Ok(()),
        None => put(root, path, entry),
    })?;
    if found == *diff_id { Ok(()) } else { Err(wrong_digest(diff_id, &found)) }
}

type Layer<'a> = Box<dyn Read + 'a>;

fn each(
    file: &mut File,
    media_type: &str,
    mut visit: impl FnMut(&Path, &mut Entry<'_, &mut Hashed<Layer<'_>>>) -> Result<()>,
) -> Result<Digest> {
    let compressed = BufReader::new(file);
    let plain: Layer<'_> = match media_type {
        oci::LAYER_GZIP | oci::DOCKER_LAYER_GZIP => Box::new(MultiGzDecoder::new(compressed)),
        oci::LAYER_TAR => Box::new(compressed),
        other => {
            return Err(Error::invalid("a layer is packed in a way that is not known here")
                .with("media type", quoted(other))
                .hint("build the image with gzip layers"));
        }
    };
    let damaged = |error: std::io::Error| {
        Error::invalid("a layer is damaged").because(error).hint("build and push the image again")
    };
    let mut hashed = Hashed { from: plain, hasher: Hasher::new() };
    let mut archive = Archive::new(&mut hashed);
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        if matches!(entry.header().entry_type(), EntryType::XGlobalHeader) {
            continue;
        }
        let path = plain_path(&entry.path().map_err(damaged)?)?;
        visit(&path, &mut entry)?;
    }
    // The digest covers the padding behind the last entry too.
    std::io::copy(&mut hashed, &mut std::io::sink()).map_err(damaged)?;
    Ok(hashed.hasher.finish())
}

fn refused(why: &str, path: &Path) -> Error {
    Error::invalid(format!("a layer holds {why}"))
        .with("entry", quoted(&path.to_string_lossy()))
        .hint("do not run this image; build it again from files you trust")
}

/// The path of an entry without `./`; absolute paths and `..` are refused.
fn plain_path(path: &Path) -> Result<PathBuf> {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => plain.push(name),
            Component::CurDir => {}
            Component::ParentDir => return Err(refused("a path with `..`", path)),
            Component::RootDir | Component::Prefix(_) => return Err(refused("an absolute path", path)),
        }
    }
    Ok(plain)
}

enum Whiteout {
    /// Remove this.
    One(PathBuf),
    /// Remove all that is in this folder.
    Inside(PathBuf),
}

fn whiteout(path: &Path) -> Result<Option<Whiteout>> {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Ok(None) };
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    if name == OPAQUE {
        return Ok(Some(Whiteout::Inside(folder)));
    }
    match name.strip_prefix(WHITEOUT) {
        Some("" | "." | "..") => Err(refused("a whiteout without a name", path)),
        Some(hidden) => Ok(Some(Whiteout::One(folder.join(hidden)))),
        None => Ok(None),
    }
}

impl Whiteout {
    fn apply(self, root: &Path) -> Result<()> {
        match self {
            Whiteout::One(path) => {
                let place = place(root, &path)?;
                remove(&place)
            }
            Whiteout::Inside(folder) => {
                let inner = place(root, &folder.join("x"))?;
                let Some(folder) = inner.parent().filter(|folder| folder.is_dir()) else { return Ok(()) };
                for child in fs::read_dir(folder).map_err(|error| failed("read a folder", folder, error))? {
                    remove(&child.map_err(|error| failed("read a folder", folder, error))?.path())?;
                }
                Ok(())
            }
        }
    }
}

/// Where an entry is written: its folder may be reached through links, but never outside of `root`.
fn place(root: &Path, path: &Path) -> Result<PathBuf> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Ok(root.to_owned()) };
    let folder = follow(root, Path::new(""), folder)
        .ok_or_else(|| refused("a path that leads out of the image", path))?;
    Ok(root.join(folder).join(name))
}

fn remove(path: &Path) -> Result<()> {
    let gone = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    gone.map_err(|error| failed("remove what a layer replaces", path, error))
}

fn put(root: &Path, path: &Path, entry: &mut Entry<'_, impl Read>) -> Result<()> {
    let place = place(root, path)?;
    let kind = entry.header().entry_type();
    if place == root {
        return match kind {
            EntryType::Directory => Ok(()),
            _ => Err(refused("a file in place of the image's root", path)),
        };
    }
    let io = |error| failed("unpack a layer", &place, error);
    let mode = entry.header().mode().unwrap_or(0o755);
    if let Some(parent) = place.parent() {
        fs::create_dir_all(parent).map_err(io)?;
    }
    if kind == EntryType::Directory {
        if !fs::symlink_metadata(&place).is_ok_and(|meta| meta.is_dir()) {
            remove(&place)?;
            fs::create_dir(&place).map_err(io)?;
        }
        // The owner can always look into it, so that it can be removed again.
        return set_mode(&place, mode | 0o700).map_err(io);
    }
    let link = entry.link_name().map_err(io)?.map(std::borrow::Cow::into_owned);
    match kind {
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            remove(&place)?;
            let mut file = OpenOptions::new().write(true).create_new(true).open(&place).map_err(io)?;
            std::io::copy(entry, &mut file).map_err(io)?;
            set_mode(&place, mode | 0o400).map_err(io)
        }
        EntryType::Symlink => {
            let target = link.unwrap_or_default();
            let from =
                place.parent().and_then(|folder| folder.strip_prefix(root).ok()).unwrap_or(Path::new(""));
            if target.as_os_str().is_empty() || follow(root, from, &target).is_none() {
                return Err(refused("a link that leads out of the image", path));
            }
            remove(&place)?;
            symlink(&target, &place).map_err(io)
        }
        EntryType::Link => {
            let target = follow(root, Path::new(""), &plain_path(&link.unwrap_or_default())?)
                .map(|target| root.join(target))
                .filter(|target| target.is_file())
                .ok_or_else(|| refused("a hard link to what is not a file of the image", path))?;
            if target == place {
                return Ok(());
            }
            remove(&place)?;
            fs::hard_link(target, &place).map_err(io)
        }
        _ => Err(refused("a device, a pipe or something else that is no file", path)),
    }
}

/// Looks at every link again once all layers are there: two harmless links can lead out together.
pub(super) fn check_links(root: &Path, below: &Path) -> Result<()> {
    let folder = root.join(below);
    for item in fs::read_dir(&folder).map_err(|error| failed("read a folder", &folder, error))? {
        let path = item.map_err(|error| failed("read a folder", &folder, error))?.path();
        let meta = fs::symlink_metadata(&path).map_err(|error| failed("read a file", &path, error))?;
        let below = path.strip_prefix(root).unwrap_or(&path);
        if meta.is_dir() {
            check_links(root, below)?;
        } else if meta.is_symlink() && follow(root, Path::new(""), below).is_none() {
            return Err(refused("a link that leads out of the image", below));
        }
    }
    Ok(())
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    // Without the bits that would let a program run as somebody else.
    fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o777))
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) -> std::io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn symlink(target: &Path, place: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, place)
}

#[cfg(not(unix))]
fn symlink(_: &Path, _: &Path) -> std::io::Result<()> {
    Err(std::io::Error::new(std::io::ErrorKind::Unsupported, "links in images need a Unix system"))
}
