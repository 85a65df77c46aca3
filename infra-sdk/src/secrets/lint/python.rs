//! How python-dotenv 1.2 reads a `.env`: bad lines are dropped with a warning, and `${NAME}` is always a variable.

use std::collections::BTreeMap;

use super::reading::{Note, Notes, Reading, Readings};

pub(super) fn read(text: &str, environment: &BTreeMap<String, String>) -> Readings {
    // A text file is opened with all kinds of line ends made one.
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut readings = Readings::new();
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(&text);
    while !rest.is_empty() {
        rest = rest.trim_start_matches(space);
        if rest.is_empty() {
            break;
        }
        let mut at = rest;
        match binding(&mut at) {
            Some(Some((name, Some((value, mut notes))))) => {
                let value = expand(&value, &readings, environment, &mut notes);
                readings.set(name, value, notes);
            }
            Some(Some((name, None))) => readings.put(name, Reading::Missing, Notes::new()),
            Some(None) => {}
            // The rest of the line, from where it could not be read, is stepped over.
            None => at = at.split_once('\n').map_or("", |(_, next)| next),
        }
        rest = at;
    }
    readings
}

/// What Python takes for white space.
fn space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

fn blank(c: char) -> bool {
    c != '\n' && space(c)
}

type Binding = Option<(String, Option<(String, Notes)>)>;

/// One statement: nothing for a comment; `None` where it can not be read, with `rest` at that place.
fn binding(rest: &mut &str) -> Option<Binding> {
    if let Some(after) = rest.strip_prefix("export")
        && after.starts_with(blank)
    {
        *rest = after.trim_start_matches(blank);
    }
    let name = if rest.starts_with('#') { None } else { Some(name(rest)?) };
    *rest = rest.trim_start_matches(blank);
    let mut value = None;
    if let Some(after) = rest.strip_prefix('=') {
        *rest = after.trim_start_matches(blank);
        let after_blank = rest.len() < after.len();
        value = Some(if after_blank && rest.starts_with('#') {
            (String::new(), [Note::Comment].into())
        } else {
            self::value(rest)?
        });
    }
    end_of_line(rest)?;
    Some(name.map(|name| (name, value)))
}

fn name(rest: &mut &str) -> Option<String> {
    let (name, after) = match rest.strip_prefix('\'') {
        Some(inner) => inner.split_once('\'')?,
        None => rest.split_at(rest.find(|c| c == '=' || c == '#' || space(c)).unwrap_or(rest.len())),
    };
    if name.is_empty() {
        return None;
    }
    *rest = after;
    Some(name.to_owned())
}

fn value(rest: &mut &str) -> Option<(String, Notes)> {
    match rest.chars().next() {
        Some(quote @ ('\'' | '"')) => {
            let inner = &rest[1..];
            let mut escaped = false;
            let end = inner.find(|c| {
                let closes = c == quote && !escaped;
                escaped = c == '\\' && !escaped;
                closes
            })?;
            *rest = &inner[end + 1..];
            let mut notes = Notes::new();
            Some((unescape(&inner[..end], quote, &mut notes), notes))
        }
        _ => {
            let end = rest.find('\n').unwrap_or(rest.len());
            let line = &rest[..end];
            *rest = &rest[end..];
            let comment = line.match_indices('#').find(|(at, _)| line[..*at].ends_with(space));
            let notes = if comment.is_some() { [Note::Comment].into() } else { Notes::new() };
            let value = comment.map_or(line, |(at, _)| &line[..at]);
            Some((value.trim_end_matches(space).to_owned(), notes))
        }
    }
}

fn end_of_line(rest: &mut &str) -> Option<()> {
    let mut after = rest.trim_start_matches(blank);
    if after.starts_with('#') {
        after = &after[after.find('\n').unwrap_or(after.len())..];
    }
    if !after.is_empty() {
        // The comment is read before the end of the line, and that only as far as it goes.
        after = after.strip_prefix('\n')?;
    }
    *rest = after;
    Some(())
}

fn unescape(text: &str, quote: char, notes: &mut Notes) -> String {
    let mut value = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        let next = if c == '\\' { letters.peek().copied() } else { None };
        let put = match next {
            Some(same @ ('\\' | '\'')) => same,
            Some('"') if quote == '"' => '"',
            Some('a') if quote == '"' => '\u{7}',
            Some('b') if quote == '"' => '\u{8}',
            Some('f') if quote == '"' => '\u{c}',
            Some('n') if quote == '"' => '\n',
            Some('r') if quote == '"' => '\r',
            Some('t') if quote == '"' => '\t',
            Some('v') if quote == '"' => '\u{b}',
            _ => {
                value.push(c);
                continue;
            }
        };
        notes.insert(Note::Escape);
        letters.next();
        value.push(put);
    }
    value
}

/// Puts in `${NAME}` and `${NAME:-default}`, between every kind of quotes; this file goes before the environment.
fn expand(
    text: &str,
    before: &Readings,
    environment: &BTreeMap<String, String>,
    notes: &mut Notes,
) -> String {
    let mut value = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let inner = &rest[at + 2..];
        let Some((name, default, after)) = variable(inner) else {
            value.push_str(&rest[..at + 2]);
            rest = inner;
            continue;
        };
        notes.insert(Note::Variable);
        value.push_str(&rest[..at]);
        // A name without a value is known, and empty.
        let known = before.has(name).then(|| before.value(name).unwrap_or_default());
        let known = known.or_else(|| environment.get(name).map(String::as_str));
        value.push_str(known.unwrap_or(default));
        rest = after;
    }
    value.push_str(rest);
    value
}

/// Name, default, and what follows the closing brace.
fn variable(text: &str) -> Option<(&str, &str, &str)> {
    let end = text.find(['}', ':'])?;
    let (name, after) = text.split_at(end);
    if let Some(after) = after.strip_prefix('}') {
        return Some((name, "", after));
    }
    let (default, after) = after.strip_prefix(":-")?.split_once('}')?;
    Some((name, default, after))
}
