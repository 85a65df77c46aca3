//! Texts with `*` for any text: types, addresses and attributes that a rule or an answer is about.

/// Whether `text` is all of `pattern`, in time that grows with the product of their lengths at most. `*` stands for any
/// text, also none; everything else for itself.
pub(in crate::plan) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // The last `*`, and where the text went on after it: only that one is ever tried again.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && pattern[p] == text[t] {
            (p, t) = (p + 1, t + 1);
        } else if let Some((at, began)) = star {
            star = Some((at, began + 1));
            (p, t) = (at + 1, began + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text_and_brackets_for_themselves() {
        for (pattern, text, expected) in [
            ("aws_vpc", "aws_vpc", true),
            ("aws_vpc", "aws_vpc_peering", false),
            ("aws_kms_*", "aws_kms_", true),
            ("*db*instance", "aws_db_x_db_instance", true),
            ("*", "", true),
            ("", "x", false),
            ("a[\"*\"]", "a[\"x\\\"]\"]", true),
            ("a[0]", "a0", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
        // A pattern of many stars is not slow.
        assert!(!matches(&"*a".repeat(200), &"a".repeat(199)));
    }
}
