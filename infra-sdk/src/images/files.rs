//! The files of a folder in the order and with the modes they get in an image, whatever the folder's own say.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, ResultExt};
use crate::file::{failed, unreadable};
use crate::images::inside::follow;
use crate::names::quoted;

/// One entry of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its place in the image, without a leading slash.
    pub(super) path: String,
    pub(super) kind: EntryKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EntryKind {
    Folder,
    File { source: PathBuf, size: u64, executable: bool },
    Link { target: String },
}

/// Lists everything under `folder`, or the one file it is, as it will stand under `dir` in the image, sorted, with the parents of `dir` before it.
pub(super) fn scan(folder: &Path, dir: &str) -> Result<Vec<Entry>> {
    let meta = match fs::metadata(folder) {
        Ok(meta) => meta,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::not_found("the image's files are not there")
                .with("path", folder.display())
                .hint("build the project first, or correct `files` in infra.toml"));
        }
        Err(error) => return Err(failed("read the folder of the image's files", folder, error)),
    };
    let root = folder
        .canonicalize()
        .map_err(|error| failed("read the folder of the image's files", folder, error))?;
    let mut entries = Vec::new();
    let base: Vec<&str> = dir.split('/').filter(|part| !part.is_empty()).collect();
    for depth in 1..=base.len() {
        entries.push(Entry { path: base[..depth].join("/"), kind: EntryKind::Folder });
    }
    let parents = entries.len();
    if meta.is_dir() {
        walk(&root, Path::new(""), &base.join("/"), &mut entries)?;
    } else {
        // A single file, such as a program: it stands in `dir` under its own name.
        let parent = root.parent().unwrap_or(Path::new("/"));
        let name = folder.file_name().unwrap_or_default();
        add(parent, Path::new(""), &root, name, &base.join("/"), &mut entries)?;
    }
    if entries.len() == parents {
        return Err(Error::invalid("the folder of the image's files is empty")
            .with("path", folder.display())
            .hint("build the project first, or correct `files` in infra.toml"));
    }
    // By whole path, so a folder stands before what is in it and the order of the disk is forgotten.
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

fn walk(root: &Path, below: &Path, place: &str, entries: &mut Vec<Entry>) -> Result<()> {
    let folder = root.join(below);
    for item in
        fs::read_dir(&folder).map_err(|error| unreadable("read a folder for an image", &folder, error))?
    {
        let item = item.map_err(|error| unreadable("read a folder for an image", &folder, error))?;
        add(root, below, &item.path(), &item.file_name(), place, entries)?;
    }
    Ok(())
}

/// Adds what stands at `source`, and all below it, as `name` in the folder `place` of the image.
fn add(
    root: &Path,
    below: &Path,
    source: &Path,
    name: &OsStr,
    place: &str,
    entries: &mut Vec<Entry>,
) -> Result<()> {
    let Some(name) = name.to_str() else {
        return Err(refused("a file name is not UTF-8", source, "rename the file"));
    };
    let meta = fs::symlink_metadata(source)
        .map_err(|error| unreadable("read a file for an image", source, error))?;
    let path = if place.is_empty() { name.to_owned() } else { format!("{place}/{name}") };
    if name.starts_with(".wh.") {
        return Err(refused(
            "a file name starts with `.wh.`, which marks a removed file in images",
            source,
            "rename the file",
        ));
    }
    if holds_secrets(name) {
        return Err(refused(
            "what is private to a checkout cannot stand in an image",
            source,
            "let `files` in infra.toml name the folder of what was built, such as `dist`, and not the repo",
        ));
    }
    if meta.is_dir() {
        entries.push(Entry { path: path.clone(), kind: EntryKind::Folder });
        walk(root, &below.join(name), &path, entries)?;
    } else if meta.is_file() {
        // Opened here too, so that what cannot be read is known before anything is written.
        fs::File::open(source).map_err(|error| unreadable("read a file for an image", source, error))?;
        let kind =
            EntryKind::File { size: meta.len(), executable: is_executable(&meta), source: source.to_owned() };
        entries.push(Entry { path, kind });
    } else if meta.is_symlink() {
        let target = link_target(root, below, source)?;
        entries.push(Entry { path, kind: EntryKind::Link { target } });
    } else {
        return Err(refused(
            "only files, folders and links can stand in an image",
            source,
            "remove the socket, pipe or device from the folder",
        ));
    }
    Ok(())
}

/// Values of secrets, and the history of a repo, which may hold them; an example of the former holds none.
fn holds_secrets(name: &str) -> bool {
    name == ".git" || name == ".env" || (name.starts_with(".env.") && name != ".env.example")
}

fn link_target(root: &Path, below: &Path, source: &Path) -> Result<String> {
    let target = fs::read_link(source).map_err(|error| failed("read a link for an image", source, error))?;
    if follow(root, below, &target).is_none() {
        return Err(refused(
            "a link leads out of the folder of the image's files",
            source,
            "replace the link by a copy, or let it point inside the folder by a relative path",
        )
        .with("target", quoted(&target.to_string_lossy())));
    }
    match target.to_str() {
        Some(target) => Ok(target.replace('\\', "/")),
        None => Err(refused("the target of a link is not UTF-8", source, "rename the target")),
    }
}

fn refused(why: &str, path: &Path, hint: &str) -> Error {
    Error::invalid(why).with("path", quoted(&path.to_string_lossy())).hint(hint)
}

#[cfg(unix)]
fn is_executable(meta: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    meta.permissions().mode() & 0o111 != 0
}

/// Systems without the bit build images in which every file may run.
#[cfg(not(unix))]
fn is_executable(_: &fs::Metadata) -> bool {
    true
}

/// Checks a folder inside the image and gives it with one leading and no trailing slash.
pub(super) fn image_dir(dir: &str) -> Result<String> {
    let refuse = |why: &str| {
        Err(Error::invalid(format!("folder {} in the image {why}", quoted(dir)))
            .hint("write `dir` in infra.toml like `/app`"))
    };
    if dir == "/" {
        return Ok("/".into());
    }
    let Some(inner) = dir.strip_prefix('/') else {
        return refuse("does not start with `/`");
    };
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    for part in inner.split('/') {
        if part.is_empty() || part == "." || part == ".." {
            return refuse("has an empty part, `.` or `..` in it");
        }
        if part.starts_with(".wh.") || part.contains(|c: char| c.is_control() || c == '\\') {
            return refuse("has a part that no image may have");
        }
    }
    Ok(format!("/{inner}"))
}

/// Finds a program in the list and gives its absolute path in the image.
pub(super) fn program(entries: &[Entry], folder: &Path, dir: &str, program: &str) -> Result<String> {
    let hint = "let the first word of `entrypoint` in infra.toml name a program in the image's files";
    if program.is_empty() || program.split('/').any(|part| part == "..") || program.contains(char::is_control)
    {
        return Err(Error::invalid(format!("{} cannot be the image's program", quoted(program))).hint(hint));
    }
    let wanted = match program.strip_prefix('/') {
        Some(absolute) => absolute.to_owned(),
        None => format!("{dir}/{}", program.trim_start_matches("./")).trim_start_matches('/').to_owned(),
    };
    let Some(entry) = entries.iter().find(|entry| entry.path == wanted) else {
        let files =
            entries.iter().filter(|e| matches!(e.kind, EntryKind::File { .. })).map(|e| e.path.as_str());
        let error =
            Error::not_found(format!("the image's program {} is not among its files", quoted(program)))
                .with("path", folder.display());
        return Err(match crate::names::nearest(&wanted, files) {
            Some(near) => error.hint(format!("did you mean `/{near}`?")).hint(hint),
            None => error.hint(hint),
        });
    };
    let executable = match &entry.kind {
        EntryKind::File { executable, .. } => *executable,
        EntryKind::Folder => false,
        EntryKind::Link { .. } => {
            let below = dir.trim_start_matches('/');
            let inner = wanted.strip_prefix(below).unwrap_or(&wanted).trim_start_matches('/');
            let meta = fs::metadata(folder.join(inner)).context("look at the image's program")?;
            meta.is_file() && is_executable(&meta)
        }
    };
    if !executable {
        return Err(Error::invalid(format!("the image's program {} cannot be run", quoted(program)))
            .with("path", folder.display())
            .hint("make it a file with `chmod +x`"));
    }
    Ok(format!("/{wanted}"))
}
