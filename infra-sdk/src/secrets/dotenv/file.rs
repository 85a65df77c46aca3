//! `.env` and `.env.ENVIRONMENT`: this repo's values on this machine, one file over the other.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::parse;
use crate::error::Result;
use crate::file;
use crate::names::{EnvName, SecretName};
use crate::secret::SecretValue;

/// A larger `.env` is some other file.
pub(in crate::secrets) const LIMIT: u64 = 1_000_000;

/// The values of `.env`, each with the file and line it comes from.
///
/// Values are taken as they stand: nothing is expanded, nothing is run. The file is read whole or not at all.
///
/// ```
/// use infra_sdk::secrets::Dotenv;
/// # fn main() -> infra_sdk::Result<()> {
/// let dotenv = Dotenv::parse("A='$x' # literal\nB=\"two\\nlines\"\n", ".env")?;
/// assert_eq!(dotenv.get(&"A".parse()?).unwrap().expose(), "$x");
/// let error = Dotenv::parse("A=1\nhunter2\n", ".env").unwrap_err();
/// assert_eq!(error.to_string(), "`.env` cannot be read: no '=' (path: .env:2:1)");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Dotenv {
    values: BTreeMap<SecretName, Value>,
    files: Vec<PathBuf>,
    warnings: Vec<DotenvWarning>,
}

#[derive(Clone, Debug)]
struct Value {
    value: SecretValue,
    file: usize,
    line: usize,
}

/// A line that other programs read differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DotenvWarning {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The name on it.
    pub name: SecretName,
}

impl fmt::Display for DotenvWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, name } = self;
        write!(f, "{}:{line}: {name} has a `#` without quotes, ", path.display())?;
        f.write_str("which other programs take for a comment; put the value between single quotes")
    }
}

/// The files of an environment, lowest first.
pub(in crate::secrets) fn layers_of(root: &Path, env: &EnvName) -> [PathBuf; 2] {
    [root.join(".env"), root.join(format!(".env.{env}"))]
}

impl Dotenv {
    /// Reads a text; `path` is what errors call it.
    ///
    /// # Errors
    /// `Invalid` with line and column when the text is not a `.env`. The error never shows the text.
    pub fn parse(text: &str, path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let pairs = parse(text).map_err(|mistake| mistake.in_file(&path))?;
        let mut dotenv = Dotenv::default();
        for pair in pairs {
            if pair.bare_hash {
                let (path, name) = (path.clone(), pair.name.clone());
                dotenv.warnings.push(DotenvWarning { path, line: pair.line, name });
            }
            dotenv.values.insert(pair.name, Value { value: pair.value, file: 0, line: pair.line });
        }
        dotenv.files.push(path);
        Ok(dotenv)
    }

    /// The same without some of the values.
    #[must_use]
    pub(crate) fn without<'a>(mut self, names: impl IntoIterator<Item = &'a SecretName>) -> Self {
        for name in names {
            self.values.remove(name);
        }
        self
    }

    /// Values that were given some other way, which stand in for the file; `place` is what messages call it.
    pub(crate) fn of_values(values: impl Iterator<Item = (SecretName, SecretValue)>, place: &str) -> Self {
        let values = values.map(|(name, value)| (name, Value { value, file: 0, line: 0 }));
        Dotenv { values: values.collect(), files: vec![place.into()], warnings: Vec::new() }
    }

    /// Reads `.env` in the folder `root`, and `.env.ENVIRONMENT` over it; `None` when neither is there.
    ///
    /// # Errors
    /// `Invalid` with file, line and column when one is not a `.env`, not UTF-8 or larger than 1 MB; `Denied` or `Io`.
    pub fn load(root: &Path, env: &EnvName) -> Result<Option<Self>> {
        let mut layers = Vec::new();
        for path in layers_of(root, env) {
            if let Some(text) = file::read_text(&path, LIMIT)? {
                // Wrapped so that this copy of the values is wiped too.
                let text = SecretValue::new(text);
                layers.push(Self::parse(text.expose(), path)?);
            }
        }
        Ok(layers.into_iter().reduce(Self::under))
    }

    /// This file with `over` on top of it.
    #[must_use]
    pub fn under(mut self, over: Self) -> Self {
        let offset = self.files.len();
        self.files.extend(over.files);
        self.warnings.extend(over.warnings);
        let moved =
            over.values.into_iter().map(|(name, value)| (name, Value { file: value.file + offset, ..value }));
        self.values.extend(moved);
        self
    }

    /// One value; also `None` when it is empty, which is how a placeholder looks.
    pub fn get(&self, name: &SecretName) -> Option<&SecretValue> {
        self.values.get(name).map(|entry| &entry.value).filter(|value| !value.is_empty())
    }

    /// All names, also those with an empty value.
    pub fn names(&self) -> impl Iterator<Item = &SecretName> {
        self.values.keys()
    }

    /// All values that are not empty.
    pub fn values(&self) -> impl Iterator<Item = (&SecretName, &SecretValue)> {
        let values = self.values.iter().map(|(name, entry)| (name, &entry.value));
        values.filter(|(_, value)| !value.is_empty())
    }

    /// Where a value comes from: file and line.
    pub fn origin(&self, name: &SecretName) -> Option<(&Path, usize)> {
        let entry = self.values.get(name)?;
        Some((self.files.get(entry.file)?, entry.line))
    }

    /// The files it was read from, lowest first.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Lines that other programs read differently.
    pub fn warnings(&self) -> &[DotenvWarning] {
        &self.warnings
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use super::*;

    fn read(text: &str) -> Result<Dotenv> {
        Dotenv::parse(text, ".env")
    }

    #[test]
    fn every_measured_case_is_read_as_recommended() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/dotenv-vectors.json");
        let vectors: Json = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let cases = vectors["cases"].as_array().unwrap();
        assert!(cases.len() >= 60);
        for case in cases {
            let id = &case["id"];
            let text = match case["src"].as_str() {
                Some(text) => text.to_owned(),
                None => {
                    let part = |key: &str| case["src_repeat"][key].as_str().unwrap();
                    let times = case["src_repeat"]["times"].as_u64().unwrap() as usize;
                    format!("{}{}{}", part("before"), part("char").repeat(times), part("after"))
                }
            };
            let wanted = &case["recommended"];
            match (read(&text), wanted["error"].as_str()) {
                (Err(error), Some(wanted)) => {
                    let (line, kind) = wanted.strip_prefix("line ").unwrap().split_once(": ").unwrap();
                    // A name is text of the file too, so ours is left out.
                    let kind = kind.strip_prefix("A ").unwrap_or(kind);
                    let shown = error.to_string();
                    assert!(
                        shown.contains(kind) && shown.contains(&format!(".env:{line}:")),
                        "{id}: {shown}"
                    );
                }
                (Ok(dotenv), None) => {
                    let found: BTreeMap<&str, &str> =
                        dotenv.values.iter().map(|(n, v)| (n.as_str(), v.value.expose())).collect();
                    let wanted: BTreeMap<String, String> =
                        serde_json::from_value(wanted["vars"].clone()).unwrap();
                    let wanted: BTreeMap<String, String> = wanted
                        .into_iter()
                        .map(|(n, v)| if v == "x*4097" { (n, "x".repeat(4097)) } else { (n, v) })
                        .collect();
                    assert_eq!(found, wanted.iter().map(|(n, v)| (&**n, &**v)).collect(), "{id}");
                }
                (found, wanted) => panic!("{id}: {found:?} instead of {wanted:?}"),
            }
        }
    }

    #[test]
    fn no_mistake_shows_a_byte_of_the_text() {
        let mistakes = [
            "canary",
            "canary=1\ncanary=2",
            "can-ary=1",
            "9canary=1",
            "A='canary",
            "A=\"canary",
            "A=`canary`",
            "A='canary'canary",
            "A=canary\0",
            "A=canary\rB",
            "A=\"canary\rx\"",
            "A='\0canary'",
            "=canary",
            "A=\"canary\\\"",
            "export canary",
        ];
        for text in mistakes {
            let error = read(text).expect_err(text);
            let shown = format!("{error:?}");
            assert!(
                !shown.contains("canary") && shown.contains(".env:") && shown.contains("next: "),
                "{shown}"
            );
        }
        assert!(!format!("{:?}", read("A=canary").unwrap()).contains("canary"));
    }

    #[test]
    fn the_place_of_a_mistake_is_exact() {
        let place = |text: &str| read(text).unwrap_err().context().next().unwrap().1.to_owned();
        assert_eq!(place("\u{feff}A=1\r\n  É=2"), ".env:2:3");
        assert_eq!(place("A=\"1\n2\" x"), ".env:2:4");
        assert_eq!(place("A=1\nB=\"x\n\ny"), ".env:2:3");
        assert_eq!(place("A=xy\0"), ".env:1:5");
        assert_eq!(place("A=1\n\n\nA=2"), ".env:4:1");
    }

    #[test]
    fn small_print_of_the_grammar() {
        let value =
            |text: &str| read(text).unwrap().values.remove("A").map(|v| v.value.expose().to_owned()).unwrap();
        assert_eq!(value("A='two\nlines'"), "two\nlines");
        assert_eq!(value("A=1\nexport=2"), "1");
        assert_eq!(value("A=\\"), "\\");
        assert_eq!(value("A= 'x' # c"), "x");
        assert_eq!(value("A=\"\\\\\""), "\\");
        assert_eq!(value("A=\n"), "");
    }

    #[test]
    fn a_hash_without_quotes_is_kept_and_warned_about() {
        let dotenv = read("A=pass#word\nB='x#y'\nC=1 # c\n").unwrap();
        assert_eq!(dotenv.warnings().len(), 1);
        assert!(dotenv.warnings()[0].to_string().starts_with(".env:1: A has a `#`"));
    }

    #[test]
    fn the_file_of_the_environment_lies_over_the_common_one() {
        let root = std::env::temp_dir().join(format!("infra-sdk-dotenv-{}", crate::id::short().unwrap()));
        std::fs::create_dir_all(&root).unwrap();
        let env = EnvName::new("staging").unwrap();
        assert!(Dotenv::load(&root, &env).unwrap().is_none());
        std::fs::write(root.join(".env"), "A=1\nB=1\nC=1\n").unwrap();
        std::fs::write(root.join(".env.staging"), "\nB=2\nC=\n").unwrap();
        let dotenv = Dotenv::load(&root, &env).unwrap().unwrap();
        let shown: Vec<(&str, &str)> = dotenv.values().map(|(n, v)| (n.as_str(), v.expose())).collect();
        assert_eq!(shown, [("A", "1"), ("B", "2")]);
        assert_eq!(dotenv.origin(&"B".parse().unwrap()), Some((root.join(".env.staging").as_path(), 2)));
        std::fs::write(root.join(".env"), b"A=\xff\n").unwrap();
        assert!(Dotenv::load(&root, &env).unwrap_err().to_string().contains(".env:1:3"));
        std::fs::remove_dir_all(root).unwrap();
    }
}
