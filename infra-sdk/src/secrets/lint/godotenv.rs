//! How `gh` reads a `.env`: godotenv 1.5.1, byte for byte where it goes by bytes.

use super::reading::{Note, Notes, Readings, go_blank};

pub(super) fn read(text: &str) -> Readings {
    let text = text.replace("\r\n", "\n");
    let mut readings = Readings::new();
    let mut rest = text.as_str();
    while let Some(statement) = next_statement(rest) {
        let Some((name, after)) = name(statement) else { return Readings::failed() };
        let Some((value, notes, after)) = value(after, &readings) else { return Readings::failed() };
        readings.set(name, value, notes);
        rest = after;
    }
    readings
}

/// Steps over white space and lines that are comments.
pub(super) fn next_statement(mut rest: &str) -> Option<&str> {
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return None;
        }
        if !rest.starts_with('#') {
            return Some(rest);
        }
        rest = &rest[rest.find('\n')?..];
    }
}

/// The name, up to `=` or `:`, and what follows; a text that ends before either is a value without a name.
fn name(statement: &str) -> Option<(&str, &str)> {
    let mut rest = statement;
    if let Some(after) = statement.strip_prefix("export")
        && after.starts_with(go_blank)
    {
        rest = after.trim_start_matches(go_blank);
    }
    for (at, byte) in rest.bytes().enumerate() {
        // Each byte is taken for a letter of its own.
        let letter = char::from(byte);
        match letter {
            '=' | ':' => {
                return Some((rest[..at].trim_end(), rest[at + 1..].trim_start_matches(go_blank)));
            }
            '_' | '.' => {}
            _ if go_blank(letter) || letter.is_alphabetic() || letter.is_numeric() => {}
            _ => return None,
        }
    }
    if rest.is_empty() { None } else { Some(("", rest.trim_start_matches(go_blank))) }
}

fn value<'a>(text: &'a str, before: &Readings) -> Option<(String, Notes, &'a str)> {
    match text.chars().next() {
        Some(quote @ ('"' | '\'')) => quoted(text, quote, before),
        _ => {
            let end = text.find(['\n', '\r']).unwrap_or(text.len());
            let (line, rest) = text.split_at(end);
            let mut notes = Notes::new();
            let value = match comment(line) {
                Some(at) => {
                    notes.insert(Note::Comment);
                    &line[..at]
                }
                None => line,
            };
            Some((expand(value.trim_matches(go_blank), before, &mut notes), notes, rest))
        }
    }
}

/// The last `#` that stands behind a blank.
fn comment(line: &str) -> Option<usize> {
    line.match_indices('#').rev().map(|(at, _)| at).find(|at| line[..*at].ends_with(go_blank))
}

fn quoted<'a>(text: &'a str, quote: char, before: &Readings) -> Option<(String, Notes, &'a str)> {
    let closes = |at: &usize| *at > 0 && !text[..*at].ends_with('\\');
    let end = text.match_indices(quote).map(|(at, _)| at).find(closes)?;
    let inner = text[..end].trim_end_matches(quote).trim_start_matches(quote);
    let mut notes = Notes::new();
    let value = if quote == '"' {
        expand(&unescape(inner, &mut notes), before, &mut notes)
    } else {
        inner.to_owned()
    };
    Some((value, notes, &text[end + 1..]))
}

/// First line breaks are put in, then backslashes are taken away, but in front of `$`.
fn unescape(text: &str, notes: &mut Notes) -> String {
    let mut first = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        match (c, letters.peek().copied()) {
            ('\\', Some(next)) if next != '\n' => {
                letters.next();
                match next {
                    'n' => first.push('\n'),
                    'r' => first.push('\r'),
                    _ => first.extend(['\\', next]),
                }
            }
            _ => first.push(c),
        }
    }
    let mut second = String::with_capacity(first.len());
    let mut letters = first.chars().peekable();
    while let Some(c) = letters.next() {
        match letters.peek().copied() {
            Some(next) if c == '\\' && next != '$' => {
                notes.insert(Note::Escape);
                letters.next();
                second.push(next);
            }
            _ => second.push(c),
        }
    }
    second
}

/// Puts in the variables of this file: `$NAME`, `${NAME}`, `$(NAME`, of capital letters, digits and `_`.
fn expand(text: &str, before: &Readings, notes: &mut Notes) -> String {
    let mut value = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        value.push_str(&rest[..at]);
        let escaped = rest[..at].ends_with('\\');
        let mut after = &rest[at + 1..];
        after = after.strip_prefix('(').unwrap_or(after);
        after = after.strip_prefix('{').unwrap_or(after);
        let length = after.bytes().take_while(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_');
        let (name, after) = after.split_at(length.count());
        let after = after.strip_prefix('}').unwrap_or(after);
        let whole = &rest[at..rest.len() - after.len()];
        if escaped {
            notes.insert(Note::Escape);
            value.pop();
            value.push_str(whole);
        } else if name.is_empty() {
            value.push_str(whole);
        } else {
            notes.insert(Note::Variable);
            value.push_str(before.value(name).unwrap_or_default());
        }
        rest = after;
    }
    value.push_str(rest);
    value
}
