//! The grammar of `.env`: read literally, all or nothing, with errors that never show a byte of the text.
//!
//! Eleven parsers agree on 28 of 86 cases, and some run commands while they read. This one takes what
//! most of them mean and refuses what they read differently; the cases stand in `tests/fixtures/dotenv-vectors.json`.

use std::collections::BTreeMap;
use std::ops::Range;

use super::mistake::{Kind, Mistake};
use crate::names::SecretName;
use crate::secret::SecretValue;

/// One `NAME=value`.
#[derive(Debug)]
pub(in crate::secrets) struct Pair {
    pub(in crate::secrets) name: SecretName,
    pub(in crate::secrets) value: SecretValue,
    /// The line it begins on, from 1.
    pub(in crate::secrets) line: usize,
    /// An unquoted value has a `#` that other programs take for a comment.
    pub(super) bare_hash: bool,
    /// Its lines, with the end of the last one: bytes of the text.
    pub(in crate::secrets) lines: Range<usize>,
    /// Its value with the quotes, as it is written: bytes of the text.
    pub(in crate::secrets) written: Range<usize>,
}

/// Reads a whole text.
pub(in crate::secrets) fn parse(text: &str) -> Result<Vec<Pair>, Mistake> {
    let rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader { rest, length: text.len(), line: 1, column: 1 };
    let mut pairs: Vec<Pair> = Vec::new();
    let mut set = BTreeMap::new();
    while !reader.rest.is_empty() {
        if let Some(pair) = reader.line(&set)? {
            set.insert(pair.name.clone(), pair.line);
            pairs.push(pair);
        }
    }
    Ok(pairs)
}

fn blank(c: char) -> bool {
    c == ' ' || c == '\t'
}

struct Reader<'a> {
    rest: &'a str,
    /// Bytes of the whole text.
    length: usize,
    line: usize,
    column: usize,
}

impl<'a> Reader<'a> {
    fn mistake<T>(&self, kind: Kind) -> Result<T, Mistake> {
        Err(Mistake { line: self.line, column: self.column, kind })
    }

    /// Where in the text the rest begins, in bytes.
    fn at(&self) -> usize {
        self.length - self.rest.len()
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Steps over `text`, which stands at the front of the rest.
    fn skip(&mut self, text: &str) {
        for c in text.chars() {
            if c == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        self.rest = &self.rest[text.len()..];
    }

    fn skip_blanks(&mut self) -> bool {
        let length = self.rest.len() - self.rest.trim_start_matches(blank).len();
        self.skip(&self.rest[..length]);
        length > 0
    }

    /// What is left of this line, without its end.
    fn line_end(&self) -> &'a str {
        let line = self.rest.split('\n').next().unwrap_or_default();
        if line.len() < self.rest.len() { line.strip_suffix('\r').unwrap_or(line) } else { line }
    }

    fn finish_line(&mut self) {
        let line = self.rest.split_inclusive('\n').next().unwrap_or_default();
        self.skip(line);
    }

    fn line(&mut self, set: &BTreeMap<SecretName, usize>) -> Result<Option<Pair>, Mistake> {
        let (line, start) = (self.line, self.at());
        self.skip_blanks();
        let content = self.line_end();
        if content.is_empty() || content.starts_with('#') {
            self.finish_line();
            return Ok(None);
        }
        self.skip_export();
        let name = self.name()?;
        if let Some(&first) = set.get(&name) {
            return Err(Mistake { line, column: 1, kind: Kind::SetBefore { line: first } });
        }
        self.skip("=");
        let after_equals = self.at();
        let blanks = self.skip_blanks();
        let from = self.at();
        let (value, bare_hash) = self.value(blanks)?;
        let end = self.at();
        // In front of the blanks where there is no value: behind them it would run into a comment.
        let written = if from == end { after_equals..after_equals } else { from..end };
        self.finish_line();
        let value = SecretValue::new(value);
        Ok(Some(Pair { name, value, line, bare_hash, lines: start..self.at(), written }))
    }

    fn skip_export(&mut self) {
        let Some(after) = self.line_end().strip_prefix("export") else { return };
        let next = after.trim_start_matches(blank);
        if next.len() < after.len() && !next.starts_with('=') {
            self.skip("export");
            self.skip_blanks();
        }
    }

    /// The value, and whether other programs take a `#` in it for a comment.
    fn value(&mut self, after_blank: bool) -> Result<(String, bool), Mistake> {
        match self.peek() {
            Some('\'') => Ok((self.single()?, false)),
            Some('"') => Ok((self.double()?, false)),
            Some('`') => self.mistake(Kind::Backtick),
            _ => {
                let value = self.bare(after_blank)?;
                Ok((value.to_owned(), value.contains('#')))
            }
        }
    }

    /// Reads up to the `=`.
    fn name(&mut self) -> Result<SecretName, Mistake> {
        let content = self.line_end();
        let Some(equals) = content.find('=') else { return self.mistake(Kind::NoEquals) };
        let name = content[..equals].trim_end_matches(blank);
        if name.is_empty() {
            return self.mistake(Kind::EmptyName);
        }
        let wrong = |(at, c): &(usize, char)| {
            !(*c == '_' || c.is_ascii_alphabetic() || (*at > 0 && c.is_ascii_digit()))
        };
        if let Some((at, _)) = name.char_indices().find(wrong) {
            self.skip(&name[..at]);
            return self.mistake(Kind::BadName);
        }
        let Ok(checked) = SecretName::new(name) else { return self.mistake(Kind::LongName) };
        self.skip(&content[..equals]);
        Ok(checked)
    }

    /// A value without quotes: to the end of the line, or to a `#` behind a blank.
    fn bare(&mut self, after_blank: bool) -> Result<&'a str, Mistake> {
        let content = self.line_end();
        let mut last_blank = after_blank;
        let mut end = content.len();
        for (at, c) in content.char_indices() {
            if c == '#' && last_blank {
                end = at;
                break;
            }
            last_blank = blank(c);
        }
        let value = content[..end].trim_end_matches(blank);
        self.refuse_controls(value)?;
        self.skip(value);
        Ok(value)
    }

    fn refuse_controls(&mut self, value: &str) -> Result<(), Mistake> {
        let Some(at) = value.find(['\0', '\r']) else { return Ok(()) };
        let kind = if value[at..].starts_with('\0') { Kind::Nul } else { Kind::CarriageReturn };
        self.skip(&value[..at]);
        self.mistake(kind)
    }

    /// Between single quotes everything stands for itself.
    fn single(&mut self) -> Result<String, Mistake> {
        let inner = &self.rest[1..];
        let Some(end) = inner.find('\'') else { return self.mistake(Kind::NoClosingQuote) };
        self.quoted(&inner[..end], |content| content.to_owned())
    }

    /// Between double quotes a backslash escapes; before any other letter it stands for itself, as in `C:\dir`.
    fn double(&mut self) -> Result<String, Mistake> {
        let inner = &self.rest[1..];
        let mut escaped = false;
        let end = inner.find(|c| {
            let closes = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            closes
        });
        let Some(end) = end else { return self.mistake(Kind::NoClosingQuote) };
        self.quoted(&inner[..end], unescape)
    }

    fn quoted(&mut self, inner: &'a str, read: impl Fn(&str) -> String) -> Result<String, Mistake> {
        let length = inner.len() + 2;
        // A line that ends with CR LF is one line break, also inside of quotes.
        let content = inner.replace("\r\n", "\n");
        if content.contains(['\0', '\r']) {
            self.skip(&self.rest[..1]);
            let at = inner
                .char_indices()
                .find(|&(at, c)| c == '\0' || (c == '\r' && !inner[at..].starts_with("\r\n")))
                .map_or(0, |(at, _)| at);
            let kind = if inner[at..].starts_with('\0') { Kind::Nul } else { Kind::CarriageReturn };
            self.skip(&inner[..at]);
            return self.mistake(kind);
        }
        self.skip(&self.rest[..length]);
        let after = self.line_end().trim_start_matches(blank);
        if !after.is_empty() && !after.starts_with('#') {
            self.skip_blanks();
            return self.mistake(Kind::TextAfterQuote);
        }
        Ok(read(&content))
    }
}

fn unescape(content: &str) -> String {
    let mut value = String::with_capacity(content.len());
    let mut letters = content.chars();
    while let Some(c) = letters.next() {
        if c != '\\' {
            value.push(c);
            continue;
        }
        match letters.next() {
            Some('n') => value.push('\n'),
            Some('r') => value.push('\r'),
            Some('t') => value.push('\t'),
            Some(same @ ('\\' | '"' | '$')) => value.push(same),
            Some(other) => value.extend(['\\', other]),
            None => value.push('\\'),
        }
    }
    value
}
