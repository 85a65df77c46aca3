//! A layer: a compressed archive with the same bytes for the same files, on every machine and at any time.

use std::fs::File;
use std::io::{BufWriter, Read, Write};

use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

use crate::digest::{Digest, Hasher};
use crate::error::{Error, ErrorKind, Result};
use crate::file::failed;
use crate::images::files::{Entry, EntryKind};
use crate::images::layout::{Layout, Tee};
use crate::images::oci::{self, Descriptor};

/// A layer that was written.
pub(super) struct Layer {
    pub(super) descriptor: Descriptor,
    /// The digest before compression.
    pub(super) diff_id: Digest,
}

/// Writes the entries as one layer into the blobs of `layout`, piece by piece.
pub(super) fn write(entries: &[Entry], layout: &Layout) -> Result<Layer> {
    let mut blob = layout.new_blob()?;
    let compressed = Tee { to: BufWriter::with_capacity(1 << 16, &mut blob.file), hasher: Hasher::new() };
    // Images are built far more often than stored: the fastest level takes a tenth of the time of the
    // usual one, and its layers of programs are 5 % larger.
    // The header carries a time and a system unless told otherwise: 255 is "unknown".
    let gzip = GzBuilder::new().mtime(0).operating_system(255).write(compressed, Compression::fast());
    let mut archive = Builder::new(Tee { to: gzip, hasher: Hasher::new() });
    for entry in entries {
        append(&mut archive, entry)?;
    }
    let io = |error| failed("write a layer", layout.folder(), error);
    let Tee { to: gzip, hasher: plain } = archive.into_inner().map_err(io)?;
    let Tee { to: mut file, hasher: compressed } = gzip.finish().map_err(io)?;
    file.flush().map_err(io)?;
    drop(file);
    let (diff_id, digest) = (plain.finish(), compressed.finish());
    let size = blob.file.metadata().map_err(io)?.len();
    layout.keep(blob, &digest)?;
    Ok(Layer { descriptor: Descriptor::new(oci::LAYER_GZIP, digest, size), diff_id })
}

fn append(archive: &mut Builder<impl Write>, entry: &Entry) -> Result<()> {
    // GNU headers write long names and sizes above 8 GB in a fixed way; owner and time stay zero.
    let mut header = Header::new_gnu();
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(0);
    let io = |error| failed("write a layer", entry.path.as_ref(), error);
    match &entry.kind {
        EntryKind::Folder => {
            header.set_entry_type(EntryType::Directory);
            header.set_mode(0o755);
            archive.append_data(&mut header, format!("{}/", entry.path), std::io::empty()).map_err(io)
        }
        EntryKind::Link { target } => {
            header.set_entry_type(EntryType::Symlink);
            header.set_mode(0o777);
            archive.append_link(&mut header, &entry.path, target).map_err(io)
        }
        EntryKind::File { source, size, executable } => {
            header.set_entry_type(EntryType::Regular);
            header.set_mode(if *executable { 0o755 } else { 0o644 });
            header.set_size(*size);
            let file =
                File::open(source).map_err(|error| failed("read a file for an image", source, error))?;
            // One byte more than promised shows that the file has grown.
            let mut content = Counted { from: file.take(size + 1), count: 0 };
            let written = archive.append_data(&mut header, &entry.path, &mut content);
            if content.count != *size {
                return Err(Error::new(ErrorKind::Conflict, "a file changed while the image was built")
                    .with("path", source.display())
                    .hint("build again when nothing writes to the folder"));
            }
            written.map_err(|error| failed("read a file for an image", source, error))
        }
    }
}

struct Counted<R> {
    from: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.count += read as u64;
        Ok(read)
    }
}
