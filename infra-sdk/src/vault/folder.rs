//! The folder of a vault in the repo: one writer at a time, and what git has to know about its files.

use std::path::Path;

use crate::error::Result;
use crate::file::{self, Access, FileLock, failed};

/// What git is told in the folder; files that are there already are left as they are.
const FILES: [(&str, &str); 2] = [
    (
        ".gitattributes",
        "# Two people may add secrets at the same place: git keeps both lines. One secret changed by both is noticed when\n\
         # the vault is read.\n\
         *.vault text eol=lf merge=union\n",
    ),
    (".gitignore", "# There while somebody writes.\n/.lock\n/.*.tmp\n"),
];

/// Makes the folder ready and takes the lock of its writers.
pub(super) fn lock(folder: &Path) -> Result<FileLock> {
    file::make_dir(folder, Access::Shared)?;
    let lock = FileLock::acquire(&folder.join(".lock"))?;
    file::sweep(folder);
    for (name, content) in FILES {
        let path = folder.join(name);
        match path.try_exists() {
            Ok(true) => {}
            Ok(false) => file::write(&path, content.as_bytes(), Access::Shared)?,
            Err(error) => return Err(failed("look at a file", &path, error)),
        }
    }
    Ok(lock)
}
