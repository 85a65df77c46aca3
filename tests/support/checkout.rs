//! The files of this checkout.

use std::path::{Path, PathBuf};

/// The root of this checkout.
pub fn repo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the checkout").to_path_buf()
}

/// The Rust files below a folder of the checkout: path relative to it, and text.
pub fn sources(folder: &str) -> Vec<(String, String)> {
    files(folder, |path| path.ends_with(".rs"))
}

/// The text files below a folder of the checkout that git would keep and `wanted` likes.
pub fn files(folder: &str, wanted: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let root = repo().join(folder);
    let mut found = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(next) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&next) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            let name = entry.file_name();
            let skipped = name == "target" || name == ".git" || name == "node_modules";
            if path.is_dir() && !skipped {
                open.push(path);
            } else if path.is_file() {
                let relative =
                    path.strip_prefix(&root).expect("it lies below").to_string_lossy().replace('\\', "/");
                if wanted(&relative)
                    && let Ok(text) = std::fs::read_to_string(&path)
                {
                    found.push((relative, text));
                }
            }
        }
    }
    found.sort();
    found
}
