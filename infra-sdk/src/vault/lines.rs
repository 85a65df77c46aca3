//! The text of a vault: a line for each secret between two that never change, so that git merges what two people did.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Error, ErrorKind, Result};
use crate::names::{SecretName, quoted};

/// The name of the line that holds the key of fingerprints; no secret can have it.
pub(super) const FINGERPRINT: &str = "@fingerprint";

const TITLE: &str = "# infra-sdk vault, version ";
const VERSION: &str = "1";
const NOTE: &str = "# Encrypted with age, written by infra:secrets:*; git merges it by itself.";

/// What stands in a vault, by name, and how.
///
/// ```text
/// # infra-sdk vault, version 1
/// # (a note)
/// # begin API_KEY
/// API_KEY 1f0e14023b49 YWdlLWVuY3J5cHRpb24ub3JnL3Yx…
/// # end API_KEY
/// # begin GONE_KEY
/// GONE_KEY - -
/// # end GONE_KEY
/// ```
///
/// A merge goes wrong where two changes touch, and here they do not: each line that changes has one above and one below
/// that never does, a deleted secret keeps its line so that none ever goes, and a write changes no other line, not even
/// to sort what a merge put together. What is left are two secrets added at the same place, which `merge=union` puts below
/// each other, and one secret changed by two people, which then has two lines and is refused.
#[derive(Debug)]
pub(super) struct Lines {
    entries: BTreeMap<String, Line>,
    rows: Vec<Row>,
}

/// One line of the text.
#[derive(Debug)]
enum Row {
    /// What is written for the entry of this name.
    Entry(String),
    /// Anything else.
    Text(String),
}

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

/// A vault without entries.
impl Default for Lines {
    fn default() -> Self {
        let rows = [format!("{TITLE}{VERSION}"), NOTE.to_owned()].map(Row::Text).into();
        Lines { entries: BTreeMap::new(), rows }
    }
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
        let mut found = Lines { entries: BTreeMap::new(), rows: Vec::new() };
        let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, text) in lines.iter().enumerate() {
            if text.trim().is_empty() || text.starts_with('#') {
                found.rows.push(Row::Text((*text).to_owned()));
                continue;
            }
            let number = index + 1;
            let (name, line) =
                read(text, number).ok_or_else(|| damaged("a line of the vault is damaged", place, number))?;
            match numbers.insert(name, number) {
                // Twice the same is what two branches with one commit leave.
                Some(_) if found.entries.get(name).is_some_and(|known| known.same(&line)) => continue,
                Some(earlier) => return Err(twice(name, place, earlier, number)),
                None => found.rows.push(Row::Entry(name.to_owned())),
            }
            found.entries.insert(name.to_owned(), line);
        }
        Ok(found)
    }

    /// The text of a vault.
    pub(super) fn render(&self) -> String {
        let mut text = String::new();
        for row in &self.rows {
            match row {
                Row::Text(row) => text.push_str(row),
                Row::Entry(name) => match self.sealed(name) {
                    Some(sealed) => {
                        let value = STANDARD.encode(&sealed.bytes);
                        text.extend([name, " ", &sealed.tag, " ", &value]);
                    }
                    None => text.extend([name, " - -"]),
                },
            }
            text.push('\n');
        }
        text
    }

    /// Puts a value under a name: in its line, or in a new one before the next greater name.
    pub(super) fn put(&mut self, name: &str, sealed: Sealed) {
        if self.entries.insert(name.to_owned(), Line::Sealed(sealed)).is_some() {
            return;
        }
        let later = |row: &Row| matches!(row, Row::Entry(other) if other.as_str() > name);
        let at = match self.rows.iter().position(later) {
            // Above what stands before it.
            Some(at) => {
                let begin = |row: &Row| matches!(row, Row::Text(text) if text.starts_with("# begin "));
                if at > 0 && begin(&self.rows[at - 1]) { at - 1 } else { at }
            }
            None => self.rows.len(),
        };
        let text = |what: &str| Row::Text(format!("# {what} {name}"));
        self.rows.splice(at..at, [text("begin"), Row::Entry(name.to_owned()), text("end")]);
    }

    /// Takes the value of a name away; what never had one stays so.
    pub(super) fn delete(&mut self, name: &str) {
        if let Some(line) = self.entries.get_mut(name) {
            *line = Line::Gone;
        }
    }

    /// Whether nothing was ever put.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The encrypted value of a name.
    pub(super) fn sealed(&self, name: &str) -> Option<&Sealed> {
        match self.entries.get(name) {
            Some(Line::Sealed(sealed)) => Some(sealed),
            Some(Line::Gone) | None => None,
        }
    }

    /// Everything that has a value, sorted by name.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &Sealed)> {
        self.entries.keys().filter_map(|name| Some((name.as_str(), self.sealed(name)?)))
    }

    /// The secrets that have a value, sorted by name.
    pub(super) fn secrets(&self) -> impl Iterator<Item = (SecretName, &Sealed)> {
        self.all().filter_map(|(name, sealed)| Some((name.parse().ok()?, sealed)))
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

fn twice(name: &str, place: &str, earlier: usize, number: usize) -> Error {
    Error::new(ErrorKind::Conflict, "a secret stands twice in the vault")
        .with("path", place)
        .with("secret", name)
        .with("lines", format_args!("{earlier} and {number}"))
        .hint("two people changed it: remove the line that is not wanted, and commit")
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

    fn sealed(content: &str) -> Sealed {
        let bytes = format!("age-encryption.org/v1\n{content}").into_bytes();
        Sealed { tag: "0123456789ab".into(), bytes, number: 0 }
    }

    fn vault() -> Lines {
        let mut lines = Lines::default();
        for name in ["B", "A", FINGERPRINT] {
            lines.put(name, sealed(name));
        }
        lines.delete("B");
        lines
    }

    fn names(lines: &Lines) -> Vec<String> {
        lines.secrets().map(|(name, _)| name.to_string()).collect()
    }

    #[test]
    fn what_is_written_is_sorted_and_reads_back() {
        let text = vault().render();
        let first: Vec<&str> = text.lines().map(|line| line.split_once(' ').unwrap().0).collect();
        assert_eq!(first, ["#", "#", "#", FINGERPRINT, "#", "#", "A", "#", "#", "B", "#"]);
        let parsed = Lines::parse(&text, "v").unwrap();
        assert_eq!((parsed.render(), names(&parsed)), (text.clone(), vec!["A".to_owned()]));
        assert_eq!(parsed.sealed("A").unwrap().number, 7);
        assert_eq!(Lines::parse(&text.replace('\n', "\r\n"), "v").unwrap().render(), text);
        assert!(Lines::parse(&Lines::default().render(), "v").unwrap().is_empty());
    }

    #[test]
    fn a_put_changes_its_own_line_whatever_the_order_and_the_remarks_of_others() {
        let text = vault().render();
        let (title, rest) = text.split_once('\n').unwrap();
        let mut lines: Vec<&str> = rest.lines().collect();
        lines.reverse();
        let foreign = format!("{title}\n\n# a remark\n{}\n", lines.join("\n"));
        let mut parsed = Lines::parse(&foreign, "v").unwrap();
        parsed.put("A", sealed("other"));
        let after = parsed.render();
        let changed: Vec<_> = foreign.lines().zip(after.lines()).filter(|(old, new)| old != new).collect();
        assert!(changed.len() == 1 && changed[0].1.starts_with("A "), "{changed:?}");
        // The same twice is one.
        let twice = format!("{text}{}\n", text.lines().nth(6).unwrap());
        assert_eq!(Lines::parse(&twice, "v").unwrap().render(), text);
    }

    #[test]
    fn damage_is_named_by_its_line_and_nothing_is_shown() {
        let text = vault().render();
        for (from, to, line) in [
            ("A 0123456789ab ", "A 0123456789ab canary canary ", 7),
            ("A 0123456789ab YW", "A 0123456789ab canary!!", 7),
            ("A 0123456789ab YW", "A 0123456789ab canaryca", 7),
            ("\nA 0123456789ab", "\nA 0123456789a", 7),
            ("\nA 0", "\nA-B 0", 7),
            ("\nA 0", "\n@other 0", 7),
            ("# end B\n", "# end B", 11),
            ("B - -", "B -", 10),
            ("B - -", "canary", 10),
        ] {
            assert!(text.contains(from), "{from}");
            let error = Lines::parse(&text.replacen(from, to, 1), "v").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().contains(&format!("line: {line}")), "{from} -> {to}: {error}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
        let other_version = "# infra-sdk vault, version 2\n";
        for (text, why) in [("", "not a vault"), ("canary\n", "not a vault"), (other_version, "another")] {
            let error = Lines::parse(text, "v").unwrap_err();
            assert!(error.to_string().contains(why) && !format!("{error:?}").contains("canary"), "{error:?}");
        }
    }

    #[test]
    fn an_unfinished_merge_and_two_values_of_one_secret_are_conflicts() {
        let text = vault().render();
        let marked = text.replacen("\nA 0", "\n<<<<<<< HEAD\nA 0", 1);
        let error = Lines::parse(&marked, "v").unwrap_err();
        assert!(error.kind() == ErrorKind::Conflict && error.to_string().contains("line: 7"), "{error}");
        for other in ["A 0123456789ab YWdlLWVuY3J5cHRpb24ub3JnL3YxCmI=", "A - -"] {
            let error = Lines::parse(&format!("{text}{other}\n"), "v").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict);
            assert!(error.to_string().contains("secret: A, lines: 7 and 12"), "{error}");
        }
    }
}
