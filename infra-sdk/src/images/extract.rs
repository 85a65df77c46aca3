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

/// Makes the folders above `place`, in place of files of lower layers that have their names.
fn make_parents(root: &Path, place: &Path) -> Result<()> {
    let mut folder = root.to_owned();
    for name in place.strip_prefix(root).ok().and_then(Path::parent).into_iter().flatten() {
        folder.push(name);
        if !fs::symlink_metadata(&folder).is_ok_and(|meta| meta.is_dir()) {
            remove(&folder)?;
            fs::create_dir(&folder).map_err(|error| failed("unpack a layer", &folder, error))?;
        }
    }
    Ok(())
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
    make_parents(root, &place)?;
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

#[cfg(all(test, unix))]
mod tests {
    use std::io::Write;

    use tar::{Builder, Header};

    use super::*;

    fn header(kind: EntryType, path: &str, link: &str) -> Header {
        let mut header = Header::new_gnu();
        // Straight into the fields: the crate's setters refuse the paths that matter here.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o4644);
        header.set_size(0);
        header.set_cksum();
        header
    }

    /// Unpacks entries over a folder that has a neighbour, and gives the error and what became of the neighbour.
    fn unpack(entries: &[(EntryType, &str, &str)]) -> (Result<()>, bool, PathBuf) {
        let scratch = std::env::temp_dir().join(format!("infra-sdk-extract-{}", crate::id::short().unwrap()));
        let root = scratch.join("root");
        fs::create_dir_all(&root).unwrap();
        fs::create_dir_all(scratch.join("neighbour")).unwrap();
        let mut builder = Builder::new(Vec::new());
        for (kind, path, link) in entries {
            builder.append(&header(*kind, path, link), std::io::empty()).unwrap();
        }
        let content = builder.into_inner().unwrap();
        let path = scratch.join("layer");
        File::create(&path).unwrap().write_all(&content).unwrap();
        let file = File::open(&path).unwrap();
        let done = layer(file, oci::LAYER_TAR, &Digest::of(&content), &root, false)
            .and_then(|()| check_links(&root, Path::new("")));
        let unharmed = fs::read_dir(scratch.join("neighbour")).is_ok_and(|children| children.count() == 0)
            && fs::read_dir(&scratch).unwrap().count() == 3;
        (done, unharmed, scratch)
    }

    #[test]
    fn no_entry_leaves_the_folder() {
        use EntryType::{Block, Char, Directory, Fifo, Link, Regular, Symlink};
        let attacks: &[&[(EntryType, &str, &str)]] = &[
            &[(Regular, "../neighbour/x", "")],
            &[(Regular, "a/../../neighbour/x", "")],
            &[(Regular, "/tmp/infra-sdk-never", "")],
            &[(Symlink, "l", "../neighbour")],
            &[(Symlink, "l", "/etc")],
            &[(Symlink, "l", "")],
            &[(Directory, "d/e", ""), (Symlink, "d/e/up", "../.."), (Symlink, "l", "d/e/up/../neighbour")],
            // The second link is harmless only as long as the folder it goes through is none.
            &[
                (Symlink, "l", "d/e/up/../neighbour"),
                (Directory, "d/e", ""),
                (Symlink, "d/e/up", "../.."),
                (Regular, "l/x", ""),
            ],
            &[(Symlink, "l", "d/e/up/../neighbour"), (Directory, "d/e", ""), (Symlink, "d/e/up", "../..")],
            &[(Link, "h", "../layer")],
            &[(Link, "h", "/etc/passwd")],
            &[(Link, "h", "none")],
            &[(Regular, "../.wh.neighbour", "")],
            &[(Regular, ".wh...", "")],
            &[(Regular, ".wh.", "")],
            &[(Regular, "../.wh..wh..opq", "")],
            &[(Char, "null", "")],
            &[(Block, "disk", "")],
            &[(Fifo, "pipe", "")],
            &[(Regular, ".", "")],
        ];
        for attack in attacks {
            let (done, unharmed, scratch) = unpack(attack);
            let error = done.expect_err(&format!("{attack:?} was accepted"));
            assert!(unharmed, "{attack:?} reached outside");
            assert!(error.kind() == crate::ErrorKind::Invalid && !error.hints().is_empty(), "{error:?}");
            fs::remove_dir_all(scratch).unwrap();
        }
    }

    #[test]
    fn links_inside_are_kept_and_programs_get_no_foreign_rights() {
        use EntryType::{Directory, Link, Regular, Symlink};
        use std::os::unix::fs::PermissionsExt;
        let (done, _, scratch) = unpack(&[
            (Directory, "./", ""),
            (Directory, "usr/bin/", ""),
            (Symlink, "bin", "usr/bin"),
            (Regular, "bin/tool", ""),
            (Link, "hard", "usr/bin/tool"),
            (Symlink, "later", "usr/not-there-yet"),
            (Regular, "usr", ""),
            (Directory, "usr", ""),
            (Regular, "usr/bin/tool", ""),
        ]);
        done.unwrap();
        let root = scratch.join("root");
        assert!(root.join("bin/tool").is_file() && root.join("hard").is_file());
        assert_eq!(root.join("bin/tool").metadata().unwrap().permissions().mode() & 0o7777, 0o644);
        fs::remove_dir_all(scratch).unwrap();
    }

    #[test]
    fn a_layer_with_another_content_than_promised_is_refused() {
        let path = std::env::temp_dir().join(format!("infra-sdk-layer-{}", crate::id::short().unwrap()));
        let root = path.with_extension("root");
        fs::create_dir_all(&root).unwrap();
        fs::write(&path, [0; 1024]).unwrap();
        for (kind, wanted) in
            [(oci::LAYER_TAR, "digest says"), (oci::LAYER_GZIP, "damaged"), ("x/zstd", "not known here")]
        {
            let error = layer(File::open(&path).unwrap(), kind, &Digest::of(b""), &root, true).unwrap_err();
            assert!(error.to_string().contains(wanted), "{error:?}");
        }
        fs::remove_file(path).unwrap();
        fs::remove_dir_all(root).unwrap();
    }
}
