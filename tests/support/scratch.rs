//! A folder for one test, removed at its end.

use std::path::{Path, PathBuf};

/// A fresh folder outside the checkout, so that no `infra.toml` or git repository lies above it.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes the folder; `name` shows up in its path.
    pub fn new(name: &str) -> Self {
        let id = infra_sdk::id::short().expect("the system has randomness");
        let path = std::env::temp_dir().join(format!("infra-sdk-{name}-{id}"));
        std::fs::create_dir_all(&path).expect("the temporary folder is writable");
        Scratch(path.canonicalize().expect("it was just made"))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A path below it.
    pub fn join(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.0.join(relative)
    }

    /// Writes a file below it, with its folders.
    pub fn write(&self, relative: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(relative);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).expect("the scratch folder is writable");
        }
        std::fs::write(&path, content).expect("the scratch folder is writable");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
