//! The archives that Docker writes: an OCI layout in a tar file.

use std::fs::{self, File};
use std::path::{Component, Path, PathBuf};

use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::file::failed;
use crate::images::layout::wrong_digest;

/// Unpacks an archive into the folder `out`: the files of a layout, every blob checked against its name, and nothing else.
///
/// # Errors
/// `Invalid` when it is no OCI archive or a blob is damaged; `Denied` or `Io`.
pub(super) async fn unpack(archive: &Path, out: &Path) -> Result<()> {
    let (archive, out) = (archive.to_owned(), out.to_owned());
    let work = tokio::task::spawn_blocking(move || unpack_now(&archive, &out));
    work.await.map_err(|error| Error::new(ErrorKind::Bug, "unpack an image").because(error))?
}

fn unpack_now(archive: &Path, out: &Path) -> Result<()> {
    let read = |error| failed("read what the engine wrote", archive, error);
    let mut tar = tar::Archive::new(File::open(archive).map_err(read)?);
    for entry in tar.entries().map_err(read)? {
        let mut entry = entry.map_err(read)?;
        let name = entry.path().map_err(read)?.into_owned();
        let Some(place) = place(&name).filter(|_| entry.header().entry_type().is_file()) else { continue };
        let path = out.join(&place);
        let write = |error| failed("write an image", &path, error);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(write)?;
        }
        let mut file = File::create(&path).map_err(write)?;
        std::io::copy(&mut entry, &mut file).map_err(write)?;
        drop(file);
        if place.starts_with("blobs") {
            check(&path)?;
        }
    }
    if !out.join("oci-layout").is_file() || !out.join("index.json").is_file() {
        return Err(Error::invalid("the engine wrote no OCI image")
            .with("path", archive.display())
            .hint("docker writes them since version 25: install a newer one, or podman or buildah"));
    }
    Ok(())
}

/// Where a file of a layout goes; `None` for whatever else an archive holds.
fn place(name: &Path) -> Option<PathBuf> {
    let parts: Option<Vec<&str>> = name
        .components()
        .filter(|part| *part != Component::CurDir)
        .map(|part| match part {
            Component::Normal(part) => part.to_str(),
            _ => None,
        })
        .collect();
    match parts?.as_slice() {
        [file @ ("oci-layout" | "index.json")] => Some(PathBuf::from(file)),
        ["blobs", "sha256", hex] if format!("sha256:{hex}").parse::<Digest>().is_ok() => {
            Some(Path::new("blobs").join("sha256").join(hex))
        }
        _ => None,
    }
}

fn check(path: &Path) -> Result<()> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let wanted: Digest = format!("sha256:{name}").parse()?;
    let (found, _) =
        Digest::of_reader(File::open(path).map_err(|error| failed("read an image", path, error))?)?;
    if found == wanted { Ok(()) } else { Err(wrong_digest(&wanted, &found)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(folder: &Path, files: &[(&str, &[u8])]) -> PathBuf {
        let path = folder.join("image.tar");
        let mut tar = tar::Builder::new(File::create(&path).unwrap());
        for (name, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            // As a program writes it that means harm: `set_path` refuses such names.
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            tar.append(&header, *content).unwrap();
        }
        tar.finish().unwrap();
        path
    }

    #[test]
    fn only_the_files_of_a_layout_come_out_of_an_archive_and_only_whole_ones() {
        let root = std::env::temp_dir().join(format!("infra-sdk-archive-{}", crate::id::short().unwrap()));
        let out = root.join("out");
        fs::create_dir_all(&out).unwrap();
        let blob = format!("./blobs/sha256/{}", Digest::of(b"x").hex());
        let good: [(&str, &[u8]); 4] =
            [("oci-layout", b"{}"), ("index.json", b"{}"), (&blob, b"x"), ("manifest.json", b"[]")];
        unpack_now(&archive(&root, &good), &out).unwrap();
        assert!(out.join(&blob).is_file() && !out.join("manifest.json").exists());
        for bad in ["../evil", "/evil", "blobs/sha256/../../../evil", "blobs/sha256/evil"] {
            unpack_now(&archive(&root, &[good[0], good[1], (bad, b"x")]), &out).unwrap();
            assert!(!root.join("evil").exists() && !out.join("blobs/sha256/evil").exists());
        }
        let damaged = unpack_now(&archive(&root, &[good[0], good[1], (&blob, b"y")]), &out).unwrap_err();
        assert!(damaged.to_string().contains("not what its digest says"), "{damaged}");
        fs::remove_dir_all(&out).unwrap();
        fs::create_dir_all(&out).unwrap();
        let old = unpack_now(&archive(&root, &[("manifest.json", b"[]")]), &out).unwrap_err();
        assert!(old.hints()[0].contains("version 25"), "{old:?}");
        fs::remove_dir_all(root).unwrap();
    }
}
