//! What plans and reports of pushing and copying say alike: blobs, bytes and tags.

use std::fmt::{Formatter, Result};

use crate::images::oci::Descriptor;
use crate::names::Tag;

/// What has to move, and the tags that will be set.
pub(super) fn planned(
    f: &mut Formatter<'_>,
    how: &str,
    blobs: &[Descriptor],
    present: &[Descriptor],
    tags: &[Tag],
) -> Result {
    write!(f, "{} blobs to {how} ({} bytes), {} there already", blobs.len(), total(blobs), present.len())?;
    listed(f, "tags", tags)
}

/// What moved.
pub(super) struct Done<'a> {
    pub(super) sent: usize,
    pub(super) bytes: u64,
    pub(super) mounted: usize,
    pub(super) skipped: usize,
    pub(super) tags: &'a [Tag],
}

/// What was moved, and the tags that point at it now.
pub(super) fn done(f: &mut Formatter<'_>, done: &Done<'_>) -> Result {
    let Done { sent, bytes, mounted, skipped, tags } = done;
    write!(f, "{sent} blobs sent ({bytes} bytes), ")?;
    if *mounted > 0 {
        write!(f, "{mounted} mounted, ")?;
    }
    write!(f, "{skipped} there already")?;
    listed(f, "tagged", tags)
}

fn listed(f: &mut Formatter<'_>, what: &str, tags: &[Tag]) -> Result {
    for (number, tag) in tags.iter().enumerate() {
        if number == 0 {
            write!(f, ", {what} {tag}")?;
        } else {
            write!(f, ", {tag}")?;
        }
    }
    Ok(())
}

/// How many bytes these are. A manifest of somebody else may state sizes whose sum no number holds.
pub(super) fn total<'a>(blobs: impl IntoIterator<Item = &'a Descriptor>) -> u64 {
    blobs.into_iter().fold(0, |total, blob| total.saturating_add(blob.size))
}
