//! What a Worker consists of, as one digest: its bundled code, and the files that are served beside it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::digest::{Digest, Hasher};
use crate::error::Result;
use crate::file::failed;

/// What wrangler writes beside the code: when it did so, and where the lines of the code came from.
const BESIDE: [&str; 2] = ["README.md", ".map"];

/// The digest of the code that wrangler bundled into `bundle`, and of what `served` holds.
///
/// # Errors
/// `Io` or `Denied`, with the path.
pub(super) fn digest(bundle: Option<&Path>, served: &[PathBuf]) -> Result<Digest> {
    let mut hasher = Hasher::new();
    let code = bundle.into_iter().map(|folder| (folder, true));
    for (number, (folder, is_code)) in code.chain(served.iter().map(|folder| (&**folder, false))).enumerate()
    {
        let mut files = Vec::new();
        walk(folder, &mut files)?;
        files.sort();
        for path in files {
            let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            if is_code && BESIDE.iter().any(|end| name.ends_with(end)) {
                continue;
            }
            let content = fs::File::open(&path).map_err(|error| failed("read a file", &path, error))?;
            let (content, _) = Digest::of_reader(content)
                .map_err(|error| error.with("path", path.display()).hint("check who may read it"))?;
            // No name holds a zero byte, so no two lists of files are one text.
            hasher.update(format!("{number}\0{name}\0{content}\0").as_bytes());
        }
    }
    Ok(hasher.finish())
}

/// Every file below a folder; none where there is no folder. Links to folders are not followed, for they may lead around.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("read a folder", folder, error)),
    };
    for entry in entries {
        let entry = entry.map_err(|error| failed("read a folder", folder, error))?;
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&path, files)?;
        } else if path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::{Access, write};

    #[test]
    fn code_and_served_files_count_and_what_stands_beside_them_does_not() {
        let root = std::env::temp_dir().join(format!("infra-sdk-code-{}", crate::id::short().unwrap()));
        let (code, served) = (root.join("code"), [root.join("public")]);
        let put = |path: &str, text: &str| write(&root.join(path), text.as_bytes(), Access::Shared).unwrap();
        let now = || digest(Some(&code), &served).unwrap();
        put("code/index.js", "1");
        let first = now();
        put("code/README.md", "built at noon");
        put("code/index.js.map", "{}");
        assert_eq!(now(), first);
        let mut seen = vec![first];
        for (path, text) in
            [("code/index.js", "2"), ("public/a/b.txt", "x"), ("public/a/b.txt", "y"), ("code/x.wasm", "")]
        {
            put(path, text);
            assert!(!seen.contains(&now()), "{path}");
            seen.push(now());
        }
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!(now(), digest(None, &[]).unwrap());
    }
}
