//! Addresses and names from a plan, kept on their line.

use std::borrow::Cow;

/// What turns the direction of text or takes no room: it makes a line read otherwise than it is.
fn misleads(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{61c}' | '\u{feff}')
}

/// `text` without characters that end its line or mislead its reader: each becomes a replacement character.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    let odd = |c: char| c.is_control() || misleads(c);
    if text.contains(odd) { Cow::Owned(text.replace(odd, "\u{fffd}")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_a_line_or_turns_it_around() {
        assert_eq!(plain("a[\"x\"]"), "a[\"x\"]");
        assert_eq!(plain("a\nb\u{202e}c\u{1b}[2Jd\u{2028}e"), "a\u{fffd}b\u{fffd}c\u{fffd}[2Jd\u{fffd}e");
    }
}
