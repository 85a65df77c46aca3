//! A folder of one bench, removed at its end.

use std::path::{Path, PathBuf};

/// The folder; `Drop` removes it.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// A new, empty folder.
    pub(crate) fn new() -> Self {
        let name = infra_sdk::id::short().expect("the system has random numbers");
        let path = std::env::temp_dir().join(format!("infra-sdk-bench-{name}"));
        std::fs::create_dir_all(&path).expect("the folder for temporary files is writable");
        Scratch(path)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What can not be removed is left to the system.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
