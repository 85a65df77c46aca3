//! The profile that products compile their tasks with, out of their template: what is measured is what they wait for.

use std::path::Path;

use infra_sdk::{Error, ErrorKind, Result, ResultExt};

/// `[profile.xtask]` of the template, to the end of the file.
///
/// # Errors
/// What reading the template fails with; `Bug` when it has no such profile.
pub(crate) fn shipped(root: &Path) -> Result<String> {
    let path = root.join("templates/product/shared/Cargo.toml.in");
    let template = std::fs::read_to_string(&path).context(format!("read {}", path.display()))?;
    template.find("[profile.xtask]").map(|at| template[at..].to_owned()).ok_or_else(|| {
        Error::new(ErrorKind::Bug, "the template has no [profile.xtask]")
            .hint(format!("mend {}", path.display()))
    })
}
