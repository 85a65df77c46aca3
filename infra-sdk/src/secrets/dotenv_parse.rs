//! The grammar of `.env`: read literally, all or nothing, with errors that never show a byte of the text.
//!
//! Eleven parsers agree on 28 of 86 cases, and some run commands while they read. This one takes what
//! most of them mean and refuses what they read differently; the cases stand in `tests/fixtures/dotenv-vectors.json`.

use std::collections::BTreeMap;
use std::fmt;

use crate::names::SecretName;
use crate::secret::SecretValue;

/// One `NAME=value`.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) name: SecretName,
    pub(super) value: SecretValue,
    pub(super) line: usize,
    /// An unquoted value has a `#` that other programs take for a comment.
    pub(super) bare_hash: bool,
}

/// Why a text is not a `.env`, and where: counted from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    NoEquals,
    EmptyName,
    BadName,
    LongName,
    TextAfterQuote,
    NoClosingQuote,
    Backtick,
    Nul,
    CarriageReturn,
    SetBefore { line: usize },
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::NoEquals => f.write_str("no '='"),
            Kind::EmptyName => f.write_str("empty name"),
            Kind::BadName => f.write_str("bad name"),
            Kind::LongName => f.write_str("name longer than 128 characters"),
            Kind::TextAfterQuote => f.write_str("text after closing quote"),
            Kind::NoClosingQuote => f.write_str("no closing quote"),
            Kind::Backtick => f.write_str("value begins with a backtick"),
            Kind::Nul => f.write_str("NUL in value"),
            Kind::CarriageReturn => f.write_str("carriage return in the middle of a line"),
            Kind::SetBefore { line } => write!(f, "already set on line {line}"),
        }
    }
}

impl Kind {
    pub(super) fn hint(self) -> &'static str {
        match self {
            Kind::NoEquals => "write `NAME=value`; put a value of several lines between double quotes",
            Kind::EmptyName => "write a name before the `=`",
            Kind::BadName => "use letters, digits and `_` for the name, and no digit at its start",
            Kind::LongName => "use a shorter name",
            Kind::TextAfterQuote => "put the whole value between one pair of quotes",
            Kind::NoClosingQuote => "close the quote that is opened here",
            Kind::Backtick => "put the value between single quotes: programs disagree on backticks",
            Kind::Nul => "remove the NUL byte, or store the value as base64",
            Kind::CarriageReturn => "end lines with a line feed, or write `\\r` between double quotes",
            Kind::SetBefore { .. } => "remove one of the two: programs disagree on which one counts",
        }
    }
}

/// Reads a whole text.
pub(super) fn parse(text: &str) -> Result<Vec<Pair>, Mistake> {
    let mut reader = Reader { rest: text.strip_prefix('\u{feff}').unwrap_or(text), line: 1, column: 1 };
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
    line: usize,
    column: usize,
}

impl<'a> Reader<'a> {
    fn mistake<T>(&self, kind: Kind) -> Result<T, Mistake> {
        Err(Mistake { line: self.line, column: self.column, kind })
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
        self.skip_blanks();
        let content = self.line_end();
        if content.is_empty() || content.starts_with('#') {
            self.finish_line();
            return Ok(None);
        }
        if let Some(after) = content.strip_prefix("export") {
            let next = after.trim_start_matches(blank);
            if next.len() < after.len() && !next.starts_with('=') {
                self.skip("export");
                self.skip_blanks();
            }
        }
        let line = self.line;
        let name = self.name()?;
        if let Some(&first) = set.get(&name) {
            return Err(Mistake { line, column: 1, kind: Kind::SetBefore { line: first } });
        }
        self.skip("=");
        let blanks = self.skip_blanks();
        let mut bare_hash = false;
        let value = match self.peek() {
            Some('\'') => self.single()?,
            Some('"') => self.double()?,
            Some('`') => return self.mistake(Kind::Backtick),
            _ => {
                let value = self.bare(blanks)?;
                bare_hash = value.contains('#');
                value.to_owned()
            }
        };
        self.finish_line();
        Ok(Some(Pair { name, value: SecretValue::new(value), line, bare_hash }))
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
