//! The lines that go and come between two texts.

use crate::plan::diff::LineChange;
use crate::plan::diff::sequence::{common, gaps};

/// So many lines that stay are shown on either side of one that does not.
const CONTEXT: usize = 2;

/// What differs between two texts, line by line. Where finding what they have in common would take more steps than
/// `budget`, all goes and all comes.
pub(super) fn lines(before: &str, after: &str, budget: &mut usize) -> Vec<LineChange> {
    // Not `str::lines`: whether there is a last line break is a difference.
    let before: Vec<&str> = before.split('\n').collect();
    let after: Vec<&str> = after.split('\n').collect();
    let pairs = common(&before, &after, budget).unwrap_or_default();

    let (mut found, mut stays): (Vec<LineChange>, Vec<&str>) = (Vec::new(), Vec::new());
    for gap in gaps(&pairs, before.len(), after.len()) {
        if !gap.before.is_empty() || !gap.after.is_empty() {
            flush(&mut found, &mut stays, CONTEXT);
            found.extend(before[gap.before].iter().map(|line| LineChange::Removed((*line).to_owned())));
            found.extend(after[gap.after].iter().map(|line| LineChange::Added((*line).to_owned())));
        }
        stays.extend(gap.next.map(|(row, _)| before[row]));
    }
    flush(&mut found, &mut stays, 0);
    found
}

/// Writes the lines that stay since the last one that did not, `following` of them for the next one that does not.
fn flush(found: &mut Vec<LineChange>, stays: &mut Vec<&str>, following: usize) {
    let same = |line: &&str| LineChange::Same((*line).to_owned());
    let leading = if found.is_empty() { 0 } else { CONTEXT.min(stays.len()) };
    let following = following.min(stays.len() - leading);
    let skipped = stays.len() - leading - following;
    found.extend(stays[..leading].iter().map(same));
    match skipped {
        0 => {}
        // Saying that one line is left out takes a line.
        1 => found.extend(stays[leading..=leading].iter().map(same)),
        _ => found.push(LineChange::Skipped(skipped)),
    }
    found.extend(stays[stays.len() - following..].iter().map(same));
    stays.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(before: &str, after: &str) -> String {
        let sign = |line: &LineChange| match line {
            LineChange::Same(line) => format!(" {line}"),
            LineChange::Added(line) => format!("+{line}"),
            LineChange::Removed(line) => format!("-{line}"),
            LineChange::Skipped(count) => format!("…{count}"),
        };
        lines(before, after, &mut 10_000).iter().map(sign).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn lines_that_change_stand_between_two_that_do_not() {
        assert_eq!(shown("1\n2\n3\n4\n5\n6\n7", "1\n2\n3\n4\nx\n6\n7"), "…2| 3| 4|-5|+x| 6| 7");
        assert_eq!(shown("a\n1\n2\n3\n4\n5\n6\nb", "A\n1\n2\n3\n4\n5\n6\nB"), "-a|+A| 1| 2|…2| 5| 6|-b|+B");
        assert_eq!(shown("a\n1\n2\n3\nb", "A\n1\n2\n3\nB"), "-a|+A| 1| 2| 3|-b|+B");
        assert_eq!(shown("1\n2\n3\na", "1\n2\n3\nb"), " 1| 2| 3|-a|+b");
    }

    #[test]
    fn a_last_line_break_is_a_difference() {
        assert_eq!(shown("a\n", "a"), " a|-");
        assert_eq!(shown("a\r\nb", "a\nb"), "-a\r|+a| b");
    }

    #[test]
    fn texts_too_long_to_compare_go_and_come_whole() {
        let (before, after) = ("a\n".repeat(200), "b\n".repeat(200));
        let found = lines(&before, &after, &mut 10);
        assert_eq!(found.len(), 402);
    }
}
