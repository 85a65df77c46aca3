//! Cleaning lines of strangers: no control character of one task reaches the lines of another.

use std::borrow::Cow;

/// One line without control characters. Colours stay if `colour`; every other
/// escape sequence goes. Of a line that a carriage return overwrites the last
/// version stays, as a terminal would show it.
pub(crate) fn clean(line: &str, colour: bool) -> Cow<'_, str> {
    // Most lines are plain, and bytes are looked at faster than characters.
    let is_plain = line.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
    if is_plain || !line.chars().any(|c| c != '\t' && is_control(c)) {
        return Cow::Borrowed(line);
    }
    let line = line.trim_end_matches(['\r', '\n']);
    let line = line.rsplit('\r').next().unwrap_or(line);
    let mut cleaned = String::with_capacity(line.len());
    let mut coloured = false;
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '\u{1b}' => {
                let sequence = escape(rest);
                if colour && is_colour(sequence) {
                    cleaned.push_str(sequence);
                    coloured = !matches!(sequence, "\u{1b}[0m" | "\u{1b}[m");
                }
                sequence.len()
            }
            '\t' => {
                cleaned.push('\t');
                1
            }
            c => {
                if !is_control(c) {
                    cleaned.push(c);
                }
                c.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    if coloured {
        cleaned.push_str("\u{1b}[0m");
    }
    Cow::Owned(cleaned)
}

/// Whether it is no text: it steers the terminal, or turns the direction of what follows, so that a line reads as another.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The escape sequence at the start of `text`, which starts with the escape character.
fn escape(text: &str) -> &str {
    let body = &text[1..];
    let end = match body.chars().next() {
        // Control sequence: parameters, then one final character.
        Some('[') => body[1..].find(|c: char| ('@'..='~').contains(&c)).map(|at| at + 3),
        // Strings for the terminal, such as its title: up to BEL or ESC \.
        Some(']' | 'P' | 'X' | '^' | '_') => {
            let bell = body.find('\u{7}').map(|at| at + 2);
            let terminator = body.find("\u{1b}\\").map(|at| at + 3);
            bell.into_iter().chain(terminator).min()
        }
        Some(c) => Some(1 + c.len_utf8()),
        None => None,
    };
    &text[..end.unwrap_or(text.len())]
}

fn is_colour(sequence: &str) -> bool {
    sequence
        .strip_prefix("\u{1b}[")
        .and_then(|rest| rest.strip_suffix('m'))
        .is_some_and(|numbers| numbers.chars().all(|c| c.is_ascii_digit() || c == ';' || c == ':'))
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn a_plain_line_is_not_copied() {
        assert!(matches!(clean("a\tb │ é", false), std::borrow::Cow::Borrowed(_)));
    }

    #[test]
    fn sequences_that_move_the_cursor_or_set_the_title_are_dropped() {
        assert_eq!(
            clean("a\u{1b}[2J\u{1b}[1;1Hb\u{1b}]0;title\u{7}c\u{1b}]8;;x\u{1b}\\d\u{8}\u{9b}e", true),
            "abcde"
        );
        assert_eq!(clean("a\u{1b}", true), "a");
        assert_eq!(clean("a\u{1b}[12", true), "a");
    }

    #[test]
    fn colours_stay_on_a_terminal_only_and_end_with_the_line() {
        let red = "\u{1b}[31mred";
        assert_eq!(clean(red, true), "\u{1b}[31mred\u{1b}[0m");
        assert_eq!(clean(red, false), "red");
    }

    #[test]
    fn nothing_turns_the_direction_of_a_line() {
        assert_eq!(clean("user\u{202e}nimda\u{2066}x\u{2069} \u{5d0}", true), "usernimdax \u{5d0}");
    }

    #[test]
    fn an_overwritten_line_shows_its_last_version() {
        assert_eq!(clean("10%\r20%\r100%\r", false), "100%");
    }
}
