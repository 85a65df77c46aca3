//! How docker compose reads a `.env`: the grammar of compose-go 2.13.

use std::collections::BTreeMap;

use super::compose_variables::{Lookup, substitute};
use super::godotenv::next_statement;
use super::reading::{Note, Notes, Readings, go_blank};

pub(super) fn read(text: &str, environment: &BTreeMap<String, String>) -> Readings {
    let mut readings = Readings::new();
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    while let Some(statement) = next_statement(rest) {
        match name(statement) {
            None => return Readings::failed(),
            Some((name, _, _)) if name.contains(' ') => return Readings::failed(),
            // A name alone takes its value from the environment.
            Some((name, after, true)) => {
                if let Some(value) = environment.get(name) {
                    readings.set(name, value, Notes::new());
                }
                rest = after;
            }
            Some((name, after, false)) => {
                let found = {
                    let lookup = |name: &str| {
                        environment.get(name).map(String::as_str).or_else(|| readings.value(name))
                    };
                    value(after, &lookup)
                };
                let Some((value, notes, after)) = found else { return Readings::failed() };
                readings.set(name, value, notes);
                rest = after;
            }
        }
    }
    readings
}

/// The name, what follows it, and whether it stands alone.
fn name(statement: &str) -> Option<(&str, &str, bool)> {
    let mut rest = statement;
    if let Some(after) = statement.strip_prefix("export")
        && after.starts_with([' ', '\t', '\n', '\u{c}', '\r'])
    {
        rest = after.trim_start_matches(go_blank);
    }
    for (at, c) in rest.char_indices() {
        match c {
            '=' | ':' | '\n' => {
                let after = rest[at + 1..].trim_start_matches(go_blank);
                return Some((rest[..at].trim_end(), after, c == '\n'));
            }
            '_' | '.' | '-' | '[' | ']' => {}
            _ if go_blank(c) || c.is_alphabetic() || c.is_numeric() => {}
            _ => return None,
        }
    }
    if rest.is_empty() { None } else { Some(("", rest.trim_start_matches(go_blank), false)) }
}

fn value<'a>(text: &'a str, lookup: Lookup<'_>) -> Option<(String, Notes, &'a str)> {
    let mut notes = Notes::new();
    if let Some(quote @ ('"' | '\'')) = text.chars().next() {
        let (inner, rest) = quoted(&text[1..], quote)?;
        if quote == '\'' {
            return Some((inner, notes, rest));
        }
        let value = substitute(&unescape(&inner), lookup, &mut notes)?;
        return Some((value, notes, rest));
    }
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    let value = match line.split_once(" #") {
        Some((value, _)) => {
            notes.insert(Note::Comment);
            value
        }
        None => line,
    };
    Some((substitute(value.trim_end(), lookup, &mut notes)?, notes, rest))
}

/// Up to the closing quote. An escaped quote loses its backslash; every other backslash stays for now.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut inner = String::new();
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if c == quote && !escaped => return Some((inner, &text[at + 1..])),
            '\\' if !escaped => {
                escaped = true;
                continue;
            }
            _ if escaped && c != quote => inner.extend(['\\', c]),
            _ => inner.push(c),
        }
        escaped = false;
    }
    None
}

/// The escapes between double quotes; `\$` becomes `$$`, which says `$` to the next step.
fn unescape(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        value.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(next) = rest.chars().next() else {
            value.push('\\');
            break;
        };
        let length = if next == '0' { octal(rest, &mut value) } else { letter(next, &mut value) };
        rest = &rest[length..];
    }
    value.push_str(rest);
    value
}

fn letter(next: char, value: &mut String) -> usize {
    match next {
        'a' => value.push('\u{7}'),
        'b' => value.push('\u{8}'),
        'f' => value.push('\u{c}'),
        'n' => value.push('\n'),
        'r' => value.push('\r'),
        't' => value.push('\t'),
        'v' => value.push('\u{b}'),
        '\\' | '"' => value.push(next),
        '$' => value.push_str("$$"),
        'c' => value.push_str("\\c"),
        _ => {
            value.push('\\');
            return 0;
        }
    }
    1
}

/// `\0` and up to three digits: a letter if these are three of base eight, else the backslash and the digits.
fn octal(text: &str, value: &mut String) -> usize {
    let digits: String = text[1..].chars().take(3).take_while(char::is_ascii_digit).collect();
    let number = if digits.len() == 3 { u8::from_str_radix(&digits, 8).ok() } else { None };
    match number {
        Some(number) => value.push(char::from(number)),
        None => {
            value.push('\\');
            value.push_str(&digits);
        }
    }
    1 + digits.len()
}
