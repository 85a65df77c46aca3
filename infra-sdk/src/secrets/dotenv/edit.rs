//! Changing one value of a `.env` in place: every other byte stays as it is.

use std::path::{Path, PathBuf};

use super::file::LIMIT;
use super::write::quote;
use super::{Pair, parse};
use crate::error::{Error, ErrorKind, Result};
use crate::file::{self, Access};
use crate::names::SecretName;
use crate::secret::SecretValue;

/// Replaces the value of a name that stands in the `.env` file `path`; `false` when the name is not in it.
///
/// Comments, order, blanks and line ends stay. The file is replaced whole or not at all, and readable by its owner
/// only. A symbolic link stays one.
///
/// ```
/// use infra_sdk::{SecretValue, secrets::set_in_dotenv};
/// # fn main() -> infra_sdk::Result<()> {
/// # let folder = std::env::temp_dir().join(format!("set-in-dotenv-{}", infra_sdk::id::short()?));
/// # std::fs::create_dir(&folder).unwrap();
/// # let path = folder.join(".env");
/// # std::fs::write(&path, "# ours\nTOKEN=old # rotated\nPORT=1\n").unwrap();
/// assert!(set_in_dotenv(&path, &"TOKEN".parse()?, &SecretValue::new("n w"))?);
/// assert_eq!(std::fs::read_to_string(&path).unwrap(), "# ours\nTOKEN='n w' # rotated\nPORT=1\n");
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `Invalid` when the file is not a `.env`, or when the value has no form that all programs read alike; `Denied` or
/// `Io`. The file is unchanged then.
pub fn set_in_dotenv(path: &Path, name: &SecretName, value: &SecretValue) -> Result<bool> {
    let Some(text) = read(path)? else { return Ok(false) };
    let pairs = parse(text.expose()).map_err(|mistake| mistake.in_file(path))?;
    let Some(pair) = pairs.iter().find(|pair| pair.name == *name) else { return Ok(false) };
    let (before, after) = (&text.expose()[..pair.written.start], &text.expose()[pair.written.end..]);
    // A bare value would swallow a comment that follows the old one without a blank.
    let bare = after.is_empty() || after.starts_with([' ', '\t', '\r', '\n']);
    let quote = quote(name, value, bare)?;
    let changed = SecretValue::new([before, quote, value.expose(), quote, after].concat());
    replace(path, &pairs, &changed, name, value)?;
    Ok(true)
}

/// Adds a name and its value to the end of the `.env` file `path`, which is made if need be; `false`, and nothing
/// changed, when the name is in it already.
///
/// # Errors
/// As [`set_in_dotenv`].
pub fn append_to_dotenv(path: &Path, name: &SecretName, value: &SecretValue) -> Result<bool> {
    let text = read(path)?.unwrap_or_else(|| SecretValue::new(""));
    let pairs = parse(text.expose()).map_err(|mistake| mistake.in_file(path))?;
    if pairs.iter().any(|pair| pair.name == *name) {
        return Ok(false);
    }
    let text = text.expose();
    let line_end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let missing_end = if text.is_empty() || text.ends_with('\n') { "" } else { line_end };
    let quote = quote(name, value, true)?;
    let parts = [text, missing_end, name.as_str(), "=", quote, value.expose(), quote, line_end];
    replace(path, &pairs, &SecretValue::new(parts.concat()), name, value)?;
    Ok(true)
}

fn read(path: &Path) -> Result<Option<SecretValue>> {
    Ok(file::read_text(path, LIMIT)?.map(SecretValue::new))
}

/// Writes the changed text, once it is proved to say what the old one said but for the one name.
fn replace(
    path: &Path,
    old: &[Pair],
    changed: &SecretValue,
    name: &SecretName,
    value: &SecretValue,
) -> Result<()> {
    let new = parse(changed.expose()).map_err(|mistake| mistake.in_file(path))?;
    let others = |pairs: &[Pair]| -> Vec<(SecretName, SecretValue)> {
        let others = pairs.iter().filter(|pair| pair.name != *name);
        others.map(|pair| (pair.name.clone(), pair.value.clone())).collect()
    };
    let set = new.iter().any(|pair| pair.name == *name && pair.value == *value);
    if !set || others(old) != others(&new) {
        return Err(Error::new(ErrorKind::Bug, "changing a value in `.env` would change another")
            .with("path", path.display())
            .with("secret", name)
            .hint("change the file by hand, and report this"));
    }
    file::write(&behind_links(path), changed.expose().as_bytes(), Access::Private)
}

/// The file that a symbolic link leads to, so that the link is not replaced by a file.
fn behind_links(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            let path = std::env::temp_dir().join(format!("infra-sdk-edit-{}", crate::id::short().unwrap()));
            std::fs::create_dir(&path).unwrap();
            Folder(path)
        }

        fn edited(&self, text: &str, value: &str) -> String {
            let path = self.0.join(".env");
            std::fs::write(&path, text).unwrap();
            assert!(set_in_dotenv(&path, &name("A"), &SecretValue::new(value)).unwrap(), "{text:?}");
            std::fs::read_to_string(path).unwrap()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn name(text: &str) -> SecretName {
        text.parse().unwrap()
    }

    #[test]
    fn only_the_value_changes() {
        let folder = Folder::new();
        let cases = [
            ("A=1\n", "x", "A=x\n"),
            ("# c\r\n\r\n\tA = 1 \r\nB=2", "x", "# c\r\n\r\n\tA = x \r\nB=2"),
            (
                "\u{feff}export\tA='two\nlines'  # c\nB='$x'\n",
                "x y",
                "\u{feff}export\tA='x y'  # c\nB='$x'\n",
            ),
            ("A=   # c\n", "x", "A=x   # c\n"),
            ("A=\nB=1\n", "x#y", "A='x#y'\nB=1\n"),
            ("A=", "it's", "A=\"it's\""),
            ("A=\"x\"#c\n", "y", "A='y'#c\n"),
            ("A=a#b #c\n", "y", "A=y #c\n"),
            ("B=1\nA=x\n", "l1\nl2\n", "B=1\nA='l1\nl2\n'\n"),
            ("A=x\n", "", "A=''\n"),
        ];
        for (text, value, wanted) in cases {
            assert_eq!(folder.edited(text, value), wanted, "{text:?}");
        }
    }

    #[test]
    fn a_name_that_is_not_there_is_added_once_to_the_end() {
        let folder = Folder::new();
        let path = folder.0.join(".env");
        let value = SecretValue::new("x");
        assert!(!set_in_dotenv(&path, &name("A"), &value).unwrap() && !path.exists());
        assert!(append_to_dotenv(&path, &name("A"), &value).unwrap());
        assert!(!append_to_dotenv(&path, &name("A"), &SecretValue::new("y")).unwrap());
        assert!(!set_in_dotenv(&path, &name("B"), &value).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "A=x\n");
        std::fs::write(&path, "# c\r\nB=1").unwrap();
        assert!(append_to_dotenv(&path, &name("A"), &value).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "# c\r\nB=1\r\nA=x\r\n");
    }

    #[test]
    fn what_fails_leaves_the_file_as_it_was_and_shows_no_value() {
        let folder = Folder::new();
        let path = folder.0.join(".env");
        for (text, value) in [("A=1\n", "canary's $x"), ("A=1\nB='canary\n", "x"), ("A=1\nA=canary\n", "x")] {
            std::fs::write(&path, text).unwrap();
            let value = SecretValue::new(value);
            for error in
                [set_in_dotenv(&path, &name("A"), &value), append_to_dotenv(&path, &name("C"), &value)]
            {
                let shown = format!("{:?}", error.unwrap_err());
                assert!(!shown.contains("canary") && shown.contains("next: "), "{shown}");
            }
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn the_file_becomes_private_and_a_link_stays_a_link() {
        use std::os::unix::fs::{MetadataExt, symlink};
        let folder = Folder::new();
        let (real, link) = (folder.0.join("shared.env"), folder.0.join(".env"));
        std::fs::write(&real, "A=1\n").unwrap();
        symlink(&real, &link).unwrap();
        assert!(set_in_dotenv(&link, &name("A"), &SecretValue::new("2")).unwrap());
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_to_string(&real).unwrap(), "A=2\n");
        assert_eq!(std::fs::metadata(&real).unwrap().mode() & 0o777, 0o600);
    }
}
