//! Putting texts of strangers into GitHub's markdown so that they stay texts.

use crate::plan::render::reason::Piece;
use crate::plan::render::text::{shortened, visible};

/// A code span. Its fence is longer than any run of backticks inside; in it GitHub makes no mentions, no links and no
/// tags ([CommonMark](https://spec.commonmark.org/0.31.2/#code-spans)).
pub(super) fn code(text: &str) -> String {
    let text = visible(text);
    if text.trim().is_empty() {
        // A span of nothing is not a span, and one of blanks cannot be seen.
        return format!("`\"{text}\"`");
    }
    let fence = "`".repeat(longest_run(&text) + 1);
    // One blank on each side is taken away again where there is one on both.
    let padded = text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']);
    let blank = if padded { " " } else { "" };
    format!("{fence}{blank}{text}{blank}{fence}")
}

/// A code span in a cell of a table: cells are split at `|` before spans are found.
pub(super) fn cell(text: &str) -> String {
    code(text).replace('|', "\\|")
}

/// The fence that holds `lines` together.
pub(super) fn fence<'t>(lines: impl IntoIterator<Item = &'t str>) -> String {
    let longest = lines.into_iter().map(longest_run).max().unwrap_or_default();
    "`".repeat(longest.max(2) + 1)
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or_default()
}

/// Plain words in the middle of a line. What markdown reads is escaped; what GitHub makes links of (people, issues,
/// addresses) is broken up by a character that takes no room.
pub(super) fn prose(text: &str) -> String {
    let text = visible(text);
    let mut escaped = String::with_capacity(text.len() + 16);
    for (at, c) in text.char_indices() {
        let next = &text[at + c.len_utf8()..];
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // Mathematics are looked for before escapes are.
            '$' => escaped.push_str("&#36;"),
            '@' | '#' => escaped.extend([c.to_string().as_str(), "&#8203;"]),
            ':' if next.starts_with("//") => escaped.push_str(":&#8203;"),
            '.' if text[..at].to_ascii_lowercase().ends_with("www") => escaped.push_str(".&#8203;"),
            '-' if at >= 2
                && text.is_char_boundary(at - 2)
                && text[at - 2..at].eq_ignore_ascii_case("gh") =>
            {
                escaped.push_str("-&#8203;");
            }
            '-' | '+' | '=' if escaped.trim().is_empty() => escaped.extend(['\\', c]),
            '.' | ')' if !escaped.is_empty() && escaped.trim().bytes().all(|byte| byte.is_ascii_digit()) => {
                escaped.extend(['\\', c]);
            }
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | '!' | '|' | '~' | '^' => {
                escaped.extend(['\\', c])
            }
            c => escaped.push(c),
        }
    }
    escaped
}

/// A sentence, with what comes out of the plan as code.
pub(super) fn sentence(pieces: &[Piece]) -> String {
    pieces
        .iter()
        .map(|piece| match piece {
            Piece::Words(words) => (*words).to_owned(),
            Piece::Code(text) => code(&shortened(&visible(text), 300)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_holds_whatever_is_in_it() {
        for (text, span) in [
            ("plain", "`plain`"),
            ("a`b", "``a`b``"),
            ("`", "`` ` ``"),
            ("``x", "``` ``x ```"),
            (" x ", "`  x  `"),
            ("", "`\"\"`"),
            ("  ", "`\"  \"`"),
            ("a\nb", "`a\\nb`"),
            ("</details>@everyone", "`</details>@everyone`"),
        ] {
            assert_eq!(code(text), span, "{text:?}");
        }
        assert_eq!(cell("a|b"), "`a\\|b`");
        assert_eq!(fence(["a", "```", "x````y"]), "`````");
        assert_eq!(fence([""]), "```");
    }

    #[test]
    fn words_mention_nobody_link_nowhere_and_open_no_tag() {
        for (text, escaped) in [
            ("@everyone", "@&#8203;everyone"),
            ("see #123 or GH-12", "see #&#8203;123 or GH-&#8203;12"),
            ("https://x www.y.z", "https:&#8203;//x www.&#8203;y.z"),
            ("<!-- </details>", "&lt;!-- &lt;/details&gt;"),
            ("a|b `c` [d](e) *f*", "a\\|b \\`c\\` \\[d\\]\\(e) \\*f\\*"),
            ("- item", "\\- item"),
            ("1. item", "1\\. item"),
            ("$x$ &amp;", "&#36;x&#36; &amp;amp;"),
            ("a\n# b", "a\\\\n#&#8203; b"),
            ("plain words, with 1.5 of them.", "plain words, with 1.5 of them."),
        ] {
            assert_eq!(prose(text), escaped, "{text:?}");
        }
    }
}
