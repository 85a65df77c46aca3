//! How node reads a `.env`: no comment needs a blank before it, and `\n` is the only escape.

use super::reading::{Note, Notes, Readings};

/// Node 22 and later.
pub(super) fn read(text: &str) -> Readings {
    let text = text.replace('\r', "");
    let mut readings = Readings::new();
    let mut rest = text.trim_matches(blank);
    while !rest.is_empty() {
        if rest.starts_with(['\n', '#']) {
            rest = next_line(rest);
            continue;
        }
        match rest.find(['=', '\n']) {
            None => break,
            Some(end) if rest[end..].starts_with('\n') => {
                rest = rest[end + 1..].trim_matches(blank);
                continue;
            }
            Some(end) => {
                let name = rest[..end].trim_matches(blank);
                rest = &rest[end + 1..];
                if rest.is_empty() || rest.starts_with('\n') {
                    readings.set(name, "", Notes::new());
                    continue;
                }
                // Also over line ends: behind a blank, the next line is the value.
                rest = rest.trim_matches(blank);
                if name.is_empty() {
                    continue;
                }
                let exported = name.strip_prefix("export ").map(|name| name.trim_matches(blank));
                let (value, notes, after, quoted) = value(rest, blank);
                readings.set(exported.unwrap_or(name), value, notes);
                rest = if quoted { after } else { after.trim_matches(blank) };
            }
        }
    }
    readings
}

/// Node 20: only spaces are blanks, and a name reaches back to the last line that was read.
pub(super) fn read_20(text: &str) -> Readings {
    let text = text.replace('\r', "");
    let space = |c: char| c == ' ';
    let mut readings = Readings::new();
    let mut rest = text.trim_matches(space);
    while !rest.is_empty() {
        if rest.starts_with(['\n', '#']) && rest.contains('\n') {
            rest = next_line(rest);
            continue;
        }
        let Some((name, after)) = rest.split_once('=') else { break };
        // A name of spaces alone is taken for the line end before it.
        let name = if !name.is_empty() && name.chars().all(space) { "\n" } else { name.trim_matches(space) };
        rest = after.trim_matches(space);
        if name.is_empty() {
            break;
        }
        let name = name.strip_prefix("export ").unwrap_or(name);
        if rest.is_empty() {
            readings.set(name, "", Notes::new());
            break;
        }
        let unclosed = rest.chars().next().filter(|c| "'\"`".contains(*c));
        if unclosed.is_some_and(|quote| !rest[1..].contains(quote)) && !rest.contains('\n') {
            // Nothing is set, and the same text is looked at once more.
            continue;
        }
        let (value, notes, after, _) = value(rest, space);
        readings.set(name, value, notes);
        rest = after;
    }
    readings
}

fn blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n')
}

fn next_line(text: &str) -> &str {
    text.split_once('\n').map_or("", |(_, next)| next)
}

/// The value, what follows its line, and whether a closing quote ended it.
fn value(text: &str, blank: impl Fn(char) -> bool) -> (String, Notes, &str, bool) {
    let mut notes = Notes::new();
    let quote = text.chars().next().filter(|c| "'\"`".contains(*c));
    if let Some(quote) = quote
        && let Some((inner, after)) = text[1..].split_once(quote)
    {
        let value = if quote == '"' { inner.replace("\\n", "\n") } else { inner.to_owned() };
        notes.insert(Note::Quotes);
        return (value, notes, next_line(after), true);
    }
    let line = text.split('\n').next().unwrap_or_default();
    if quote.is_some() {
        return (line.to_owned(), notes, next_line(text), false);
    }
    let value = match line.split_once('#') {
        Some((value, _)) => {
            notes.insert(Note::Comment);
            value
        }
        None => line,
    };
    (value.trim_matches(blank).to_owned(), notes, next_line(text), false)
}
