//! Where a path leads when links on the way are followed, and whether it stays inside a folder.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// More links than this on one path is a loop.
const MAX_LINKS: usize = 40;

/// Follows `path` from the folder `from` (relative to `root`, without links in it) and gives where it ends, relative
/// to `root`, without links on the way.
///
/// What does not exist counts as a plain name, so a dangling link has an answer too.
/// `None` when the way leaves `root`, is absolute, or goes round in circles.
///
/// Reading the way word by word is what makes this safe: `a/../x` is not `x` when `a` is a link.
pub(super) fn follow(root: &Path, from: &Path, path: &Path) -> Option<PathBuf> {
    let mut at = from.to_owned();
    // The next word is the last one.
    let mut words = words(path)?;
    let mut links = 0;
    while let Some(word) = words.pop() {
        match word {
            Word::Up => {
                if !at.pop() {
                    return None;
                }
            }
            Word::Down(name) => {
                at.push(name);
                if let Ok(target) = fs::read_link(root.join(&at)) {
                    links += 1;
                    if links > MAX_LINKS {
                        return None;
                    }
                    at.pop();
                    words.extend(self::words(&target)?);
                }
            }
        }
    }
    Some(at)
}

enum Word {
    Up,
    Down(std::ffi::OsString),
}

fn words(path: &Path) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => words.push(Word::Up),
            Component::Normal(name) => words.push(Word::Down(name.to_owned())),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    words.reverse();
    Some(words)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_way_that_leaves_the_folder_only_through_a_link_is_seen() {
        let root = std::env::temp_dir().join(format!("infra-sdk-inside-{}", crate::id::short().unwrap()));
        fs::create_dir_all(root.join("d/e")).unwrap();
        symlink("../..", root.join("d/e/up")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        symlink("/etc", root.join("etc")).unwrap();
        let ends = |path: &str| follow(&root, Path::new(""), Path::new(path));
        assert_eq!(ends("d/e/up/d"), Some("d".into()));
        assert_eq!(ends("d/e/../none/x"), Some("d/none/x".into()));
        for out in ["..", "d/../../x", "d/e/up/../x", "loop", "etc/passwd", "/etc"] {
            assert_eq!(ends(out), None, "{out}");
        }
        fs::remove_dir_all(root).unwrap();
    }
}
