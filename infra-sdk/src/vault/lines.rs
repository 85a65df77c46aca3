//! The text of a vault: a paragraph for each secret, so that git merges what two people changed.

use std::collections::BTreeMap;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Error, ErrorKind, Result};
use crate::names::{SecretName, quoted};

/// The name of the line that holds the key of fingerprints; no secret can have it.
pub(super) const FINGERPRINT: &str = "@fingerprint";

const TITLE: &str = "# infra-sdk vault, version ";
const VERSION: &str = "1";
const NOTE: &str = "# Encrypted with age, written by infra:secrets:*; git merges it by itself.";

/// What stands in a vault, by name.
///
/// ```text
/// # infra-sdk vault, version 1
/// # (a note)
///
/// # API_KEY
/// API_KEY 1f0e14023b49 YWdlLWVuY3J5cHRpb24ub3JnL3Yx…
///
/// # GONE_KEY
/// GONE_KEY - -
///
/// ```
///
/// A merge goes wrong where two changes touch. Here they do not: an unchanged line stands above and below each line that
/// changes, and a secret that is deleted keeps its line, so that no line ever goes. What is left are two secrets added at
/// the same place, which `merge=union` puts below each other, and one secret changed by two people, which then has two
/// lines and is refused.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Lines(pub(super) BTreeMap<String, Line>);

/// One secret in a vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// It has a value.
    Sealed(Sealed),
    /// It was deleted.
    Gone,
}

/// An encrypted value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sealed {
    /// For whom it is encrypted: [`Recipients::tag`](super::Recipients::tag).
    pub(super) tag: String,
    /// An age file.
    pub(super) bytes: Vec<u8>,
    /// Where it stood when it was read, counted from 1; 0 for a new one.
    pub(super) number: usize,
}

impl Lines {
    /// Reads the text of a vault; `place` says in errors which one.
    ///
    /// # Errors
    /// `Conflict` for marks of a merge and for two lines of one secret; `Invalid` with the number of the line otherwise.
    pub(super) fn parse(text: &str, place: &str) -> Result<Self> {
        let lines: Vec<&str> = text.lines().collect();
        check_marks(&lines, place)?;
        check_title(lines.first().copied().unwrap_or_default(), place)?;
        if !text.ends_with('\n') {
            return Err(damaged("the last line of the vault was cut", place, lines.len()));
        }
        let mut found = Lines::default();
        let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, line) in lines.iter().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let number = index + 1;
            let (name, line) =
                read(line, number).ok_or_else(|| damaged("a line of the vault is damaged", place, number))?;
            if let Some(earlier) = numbers.insert(name, number)
                && !found.0.get(name).is_some_and(|known| known.same(&line))
            {
                return Err(Error::new(ErrorKind::Conflict, "a secret stands twice in the vault")
                    .with("path", place)
                    .with("secret", name)
                    .with("lines", format_args!("{earlier} and {number}"))
                    .hint("two people changed it: remove the line that is not wanted, and commit; or set it again"));
            }
            found.0.insert(name.to_owned(), line);
        }
        Ok(found)
    }

    /// The text of a vault.
    pub(super) fn render(&self) -> String {
        let mut text = format!("{TITLE}{VERSION}\n{NOTE}\n");
        for (name, line) in &self.0 {
            let _ = match line {
                Line::Sealed(sealed) => {
                    write!(text, "\n# {name}\n{name} {} {}\n", sealed.tag, STANDARD.encode(&sealed.bytes))
                }
                Line::Gone => write!(text, "\n# {name}\n{name} - -\n"),
            };
        }
        // The last paragraph ends as all others, so that another one can follow it in a merge.
        text.push('\n');
        text
    }

    /// The encrypted value of a name.
    pub(super) fn sealed(&self, name: &str) -> Option<&Sealed> {
        match self.0.get(name) {
            Some(Line::Sealed(sealed)) => Some(sealed),
            Some(Line::Gone) | None => None,
        }
    }

    /// The secrets that have a value, sorted by name.
    pub(super) fn secrets(&self) -> impl Iterator<Item = (SecretName, &Sealed)> {
        self.0.keys().filter_map(|name| Some((name.parse().ok()?, self.sealed(name)?)))
    }
}

impl Line {
    fn same(&self, other: &Line) -> bool {
        match (self, other) {
            (Line::Gone, Line::Gone) => true,
            (Line::Sealed(a), Line::Sealed(b)) => a.tag == b.tag && a.bytes == b.bytes,
            _ => false,
        }
    }
}

fn damaged(why: &str, place: &str, number: usize) -> Error {
    Error::invalid(why)
        .with("path", place)
        .with("line", number)
        .hint("restore the file from git, or remove the line and set its secret again")
}

/// Finds the marks of a merge that git could not finish.
fn check_marks(lines: &[&str], place: &str) -> Result<()> {
    let marks = ["<<<<<<<", "=======", ">>>>>>>", "|||||||"];
    let Some(at) = lines.iter().position(|line| marks.iter().any(|mark| line.starts_with(mark))) else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::Conflict, "the vault has the marks of a merge that is not finished")
        .with("path", place)
        .with("line", at + 1)
        .hint("remove the marks; keep the lines of different secrets, and one line of each; then `git add` the file"))
}

fn check_title(line: &str, place: &str) -> Result<()> {
    match line.strip_prefix(TITLE).map(str::trim_end) {
        Some(VERSION) => Ok(()),
        Some(version) => Err(Error::invalid("the vault was written by another version of this crate")
            .with("path", place)
            .with("version", quoted(version))
            .hint("use the version of infra-sdk that wrote it")),
        None => Err(Error::invalid("this is not a vault")
            .with("path", place)
            .hint(format!("restore the file from git: its first line is `{TITLE}{VERSION}`"))),
    }
}

/// One line: a name, for whom, and what.
fn read(line: &str, number: usize) -> Option<(&str, Line)> {
    let mut words = line.trim_end().split(' ');
    let (name, tag, value) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() || (name != FINGERPRINT && SecretName::new(name).is_err()) {
        return None;
    }
    if (tag, value) == ("-", "-") {
        return Some((name, Line::Gone));
    }
    let is_tag = tag.len() == 12 && tag.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let bytes = STANDARD.decode(value).ok()?;
    let is_age = bytes.starts_with(b"age-encryption.org/v1\n");
    (is_tag && is_age).then(|| (name, Line::Sealed(Sealed { tag: tag.to_owned(), bytes, number })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(content: &str) -> Line {
        let bytes = format!("age-encryption.org/v1\n{content}").into_bytes();
        Line::Sealed(Sealed { tag: "0123456789ab".into(), bytes, number: 0 })
    }

    fn vault() -> Lines {
        let of = |name: &str, line| (name.to_owned(), line);
        Lines([of(FINGERPRINT, sealed("f")), of("A", sealed("a")), of("B", Line::Gone)].into())
    }

    #[test]
    fn what_is_written_reads_back_whatever_the_order_and_the_line_ends() {
        let text = vault().render();
        let parsed = Lines::parse(&text, "v").unwrap();
        assert_eq!(parsed.render(), text);
        assert_eq!(parsed.secrets().map(|(name, _)| name.to_string()).collect::<Vec<_>>(), ["A"]);
        assert_eq!(parsed.sealed("A").unwrap().number, 8);
        assert_eq!(Lines::parse(&text.replace('\n', "\r\n"), "v").unwrap().render(), text);
        // A merge may put them in another order, twice the same, and without their empty lines.
        let (title, rest) = text.split_once('\n').unwrap();
        let mut lines: Vec<&str> = rest.lines().filter(|line| !line.is_empty()).collect();
        lines.reverse();
        let merged = format!("{title}\n{}\n{}\n", lines.join("\n"), lines.join("\n"));
        assert_eq!(Lines::parse(&merged, "v").unwrap().render(), text);
        assert_eq!(Lines::parse(&Lines::default().render(), "v").unwrap(), Lines::default());
    }

    #[test]
    fn damage_is_named_by_its_line_and_nothing_is_shown() {
        let text = vault().render();
        for (from, to, line) in [
            ("A 0123456789ab ", "A 0123456789ab canary canary ", 8),
            ("A 0123456789ab YW", "A 0123456789ab canary!!", 8),
            ("A 0123456789ab YW", "A 0123456789ab canaryca", 8),
            ("\nA 0123456789ab", "\nA 0123456789a", 8),
            ("\nA 0", "\nA-B 0", 8),
            ("\nA 0", "\n@other 0", 8),
            ("B - -\n\n", "B - -", 11),
            ("B - -", "B -", 11),
            ("B - -", "canary", 11),
        ] {
            assert!(text.contains(from), "{from}");
            let error = Lines::parse(&text.replacen(from, to, 1), "v").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().contains(&format!("line: {line}")), "{from} -> {to}: {error}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
        for (text, why) in
            [("", "not a vault"), ("canary\n", "not a vault"), ("# infra-sdk vault, version 2\n", "another")]
        {
            let error = Lines::parse(text, "v").unwrap_err();
            assert!(error.to_string().contains(why) && !format!("{error:?}").contains("canary"), "{error:?}");
        }
    }

    #[test]
    fn an_unfinished_merge_and_two_values_of_one_secret_are_conflicts() {
        let text = vault().render();
        let marked = text.replacen("\n# A", "\n<<<<<<< HEAD\n# A", 1);
        let error = Lines::parse(&marked, "v").unwrap_err();
        assert!(error.kind() == ErrorKind::Conflict && error.to_string().contains("line: 7"), "{error}");
        for other in ["A 0123456789ab YWdlLWVuY3J5cHRpb24ub3JnL3YxCmI=", "A - -"] {
            let error = Lines::parse(&format!("{text}{other}\n"), "v").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict);
            assert!(error.to_string().contains("secret: A, lines: 8 and 13"), "{error}");
        }
    }
}
