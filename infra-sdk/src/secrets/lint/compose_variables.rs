//! How docker compose puts variables into a value: `$X`, `${X}`, `${X:-default}` and their relatives; `$$` is `$`.

use super::reading::{Note, Notes};

/// Finds the value of a variable.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Option<&'a str>;

/// `None` when the text is no template, or asks for a variable that is not set.
pub(super) fn substitute(text: &str, lookup: Lookup<'_>, notes: &mut Notes) -> Option<String> {
    let mut value = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        value.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            notes.insert(Note::Variable);
            value.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            notes.insert(Note::Variable);
            let (found, after) = braced(after, lookup, notes)?;
            value.push_str(&found);
            rest = after;
        } else {
            let name = &rest[..name_length(rest)];
            if name.is_empty() {
                value.push('$');
            } else {
                notes.insert(Note::Variable);
                value.push_str(lookup(name).unwrap_or_default());
            }
            rest = &rest[name.len()..];
        }
    }
    value.push_str(rest);
    Some(value)
}

/// The length of a name: letters, digits and `_`, and the two signs that are letters where case does not count.
fn name_length(text: &str) -> usize {
    let letter = |c: char| c == '_' || c.is_ascii_alphabetic() || matches!(c, '\u{17f}' | '\u{212a}');
    if !text.starts_with(letter) {
        return 0;
    }
    text.find(|c: char| !letter(c) && !c.is_ascii_digit()).unwrap_or(text.len())
}

/// What stands behind `${`, and the rest behind the part of the text that belongs to it.
fn braced<'t>(text: &'t str, lookup: Lookup<'_>, notes: &mut Notes) -> Option<(String, &'t str)> {
    let length = name_length(text);
    if length == 0 {
        return None;
    }
    let (name, after) = text.split_at(length);
    if let Some(rest) = after.strip_prefix('}') {
        return Some((lookup(name).unwrap_or_default().to_owned(), rest));
    }
    let colon = after.starts_with(':');
    let operator = after[usize::from(colon)..].chars().next().filter(|c| "-+?".contains(*c))?;
    // It reaches to the last brace on the line, and is cut where the braces are even.
    let line = &text[..text.find('\n').unwrap_or(text.len())];
    let whole = &line[..line.rfind('}').filter(|end| *end > length + usize::from(colon))? + 1];
    let (inner, tail) = match even_braces(whole) {
        Some(end) => (&whole[..end], &whole[end + 1..]),
        None => (&whole[..whole.len() - 1], ""),
    };
    let word = &inner[length + usize::from(colon) + 1..];
    let set = lookup(name).filter(|value| !colon || !value.is_empty());
    let found = match (operator, set) {
        ('-', None) | ('+', Some(_)) => substitute(word, lookup, notes)?,
        ('?', None) => return None,
        (_, Some(value)) => value.to_owned(),
        (_, None) => String::new(),
    };
    Some((found + &substitute(tail, lookup, notes)?, &text[whole.len()..]))
}

/// Where the brace that was opened in front of `text` closes; the letter behind an opening brace is not looked at.
fn even_braces(text: &str) -> Option<usize> {
    let mut open = 1;
    let mut bytes = text.bytes().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'}' => {
                open -= 1;
                if open == 0 {
                    return Some(at);
                }
            }
            b'{' => {
                open += 1;
                bytes.next();
            }
            _ => {}
        }
    }
    None
}
