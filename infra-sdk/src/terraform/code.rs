//! The code that a saved plan was made from, which Terraform packs into it: whether two plans have the same.

use std::path::Path;

use crate::digest::{Digest, Hasher};
use crate::error::Result;
use crate::tools::{unzip, zip_names};

/// Where the code stands in a saved plan: every file of every module, and which module is which.
const CODE: &str = "tfconfig/";

/// Larger than anybody's code.
const LARGEST: u64 = 64_000_000;

/// A digest of all of the code in a saved plan, of which Terraform 1 keeps
/// [a snapshot](https://github.com/hashicorp/terraform/blob/main/internal/plans/planfile/doc.go). Not of files beside the
/// code that it reads, such as by `file()`.
///
/// # Errors
/// `Invalid` when the file is none that Terraform writes, or is encrypted, as OpenTofu can do; `Io`.
pub(super) fn digest(saved: &Path) -> Result<Digest> {
    let mut names: Vec<String> =
        zip_names(saved)?.into_iter().filter(|name| name.starts_with(CODE)).collect();
    names.sort_unstable();
    let mut all = Hasher::new();
    for name in names {
        let mut content = Vec::new();
        unzip(saved, &name, LARGEST, &mut content)?;
        // Lengths keep apart what would read the same one after the other.
        for part in [name.as_bytes(), content.as_slice()] {
            all.update(&(part.len() as u64).to_le_bytes());
            all.update(part);
        }
    }
    Ok(all.finish())
}
