//! Making texts of strangers harmless for a person's eye: no escape sequences, nothing invisible, on one line.

use std::borrow::Cow;

/// The text on one line. Escape sequences of terminals go; every character that is not seen, or changes the order in
/// which others are read, is written as `\n` or `\u{202e}`.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    let text = without_sequences(text);
    if !text.chars().any(is_hidden) {
        return text;
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            c if is_hidden(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// The text without the escape sequences of terminals. What is left can be a secret that they cut in two: whoever calls
/// this looks for secrets afterwards, too.
pub(super) fn without_sequences(text: &str) -> Cow<'_, str> {
    if !text.contains(['\u{1b}', '\u{9b}']) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\u{1b}', '\u{9b}']) {
        shown.push_str(&rest[..at]);
        rest = &rest[at + sequence(&rest[at..])..];
    }
    shown.push_str(rest);
    // What stood apart may be a sequence now.
    if shown.contains(['\u{1b}', '\u{9b}']) {
        Cow::Owned(without_sequences(&shown).into_owned())
    } else {
        Cow::Owned(shown)
    }
}

/// How long the sequence at the start of `text` is, after ECMA-48. One that does not end is only its first character, so
/// that it cannot hide all that follows.
fn sequence(text: &str) -> usize {
    let first = text.chars().next().map_or(0, char::len_utf8);
    let body = &text[first..];
    let control = |body: &str| {
        body.find(|c: char| !matches!(c, ' '..='?'))
            .filter(|at| body[*at..].starts_with(|c: char| ('@'..='~').contains(&c)))
    };
    if text.starts_with('\u{9b}') {
        return control(body).map_or(first, |at| first + at + 1);
    }
    match body.chars().next() {
        Some('[') => control(&body[1..]).map_or(first + 1, |at| first + at + 2),
        Some(']' | 'P' | 'X' | '^' | '_') => {
            let bell = body.find('\u{7}').map(|at| at + 1);
            let terminator = body.find("\u{1b}\\").map(|at| at + 2);
            bell.into_iter().chain(terminator).min().map_or(first + 1, |length| first + length)
        }
        Some(c) if c.is_ascii() && !c.is_ascii_control() => first + 1,
        _ => first,
    }
}

/// Whether a character is not seen or moves others: controls, direction marks, joiners, blanks without width, tags, and
/// the separators that some programs take for line breaks.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// At most `most` characters: the start and the end, and how many are left out between them.
pub(super) fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    // Bytes are at least as many as characters.
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let length = text.chars().count();
    if length <= most {
        return Cow::Borrowed(text);
    }
    let (head, tail) = (most - most / 4, most / 4);
    let at = |count: usize| text.char_indices().nth(count).map_or(text.len(), |(at, _)| at);
    let left_out = length - head - tail;
    Cow::Owned(format!("{} …{left_out} more… {}", &text[..at(head)], &text[at(length - tail)..]))
}

/// `1 attribute`, `2 attributes`.
pub(super) fn number_of(count: usize, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_go_and_what_cannot_be_seen_is_written_out() {
        for (text, shown) in [
            ("plain é │ 😀", "plain é │ 😀"),
            ("\u{1b}[31mred\u{1b}[0m \u{9b}2Jx", "red x"),
            ("\u{1b}]0;title\u{7}a\u{1b}]8;;x\u{1b}\\b", "ab"),
            ("a\nb\tc\r\0", "a\\nb\\tc\\r\\u{0}"),
            ("\u{202e}evil\u{200b}", "\\u{202e}evil\\u{200b}"),
            ("a\u{1b}\u{1b}[0m[31mb", "ab"),
            ("a\u{1b}[12", "a12"),
            ("a\u{1b}]never ends", "anever ends"),
            ("a\u{1b}", "a"),
        ] {
            assert_eq!(visible(text), shown, "{text:?}");
        }
    }

    #[test]
    fn long_texts_keep_both_ends_and_tell_what_is_left_out() {
        assert_eq!(shortened("äöüß", 4), "äöüß");
        assert_eq!(shortened("0123456789", 4), "012 …6 more… 9");
    }
}
