//! The longest common part of two sequences, as far as the time for it reaches.

/// Tables larger than this are not made: a sequence of a thousand against another.
const LARGEST: usize = 1 << 20;

/// The positions of what both have in the same order, ascending. `None` when finding them would take more steps than
/// `budget`, which goes down by the steps that are taken.
pub(super) fn common<T: PartialEq>(
    before: &[T],
    after: &[T],
    budget: &mut usize,
) -> Option<Vec<(usize, usize)>> {
    // Most changes are small: what both begin and end with needs no table.
    let shorter = before.len().min(after.len());
    let start = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let ends = before.iter().rev().zip(after.iter().rev()).take(shorter - start);
    let end = ends.take_while(|(a, b)| a == b).count();
    let (rows, columns) = (&before[start..before.len() - end], &after[start..after.len() - end]);

    let mut pairs: Vec<(usize, usize)> = (0..start).map(|at| (at, at)).collect();
    if !rows.is_empty() && !columns.is_empty() {
        let steps = rows.len().saturating_mul(columns.len());
        if steps > LARGEST.min(*budget) {
            return None;
        }
        *budget -= steps;
        pairs.extend(table(rows, columns).into_iter().map(|(row, column)| (start + row, start + column)));
    }
    let tail = (0..end).rev().map(|back| (before.len() - 1 - back, after.len() - 1 - back));
    pairs.extend(tail);
    Some(pairs)
}

fn table<T: PartialEq>(rows: &[T], columns: &[T]) -> Vec<(usize, usize)> {
    // At (row, column): how long the common part of what follows is.
    let width = columns.len() + 1;
    let mut lengths = vec![0_u32; (rows.len() + 1) * width];
    for row in (0..rows.len()).rev() {
        for column in (0..columns.len()).rev() {
            lengths[row * width + column] = if rows[row] == columns[column] {
                lengths[(row + 1) * width + column + 1] + 1
            } else {
                lengths[(row + 1) * width + column].max(lengths[row * width + column + 1])
            };
        }
    }
    let (mut row, mut column, mut pairs) = (0, 0, Vec::new());
    while row < rows.len() && column < columns.len() {
        if rows[row] == columns[column] {
            pairs.push((row, column));
            (row, column) = (row + 1, column + 1);
        } else if lengths[(row + 1) * width + column] >= lengths[row * width + column + 1] {
            row += 1;
        } else {
            column += 1;
        }
    }
    pairs
}

/// A stretch between what two sequences have in common: what goes there and what comes there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Gap {
    /// The positions that go.
    pub(super) before: std::ops::Range<usize>,
    /// The positions that come.
    pub(super) after: std::ops::Range<usize>,
    /// What both have next; `None` at the end.
    pub(super) next: Option<(usize, usize)>,
}

/// The stretches between `pairs`, also the empty ones.
pub(super) fn gaps(pairs: &[(usize, usize)], before: usize, after: usize) -> Vec<Gap> {
    let (mut row, mut column) = (0, 0);
    let ends = pairs.iter().copied().map(Some).chain([None]);
    let gap = |next: Option<(usize, usize)>| {
        let (to_row, to_column) = next.unwrap_or((before, after));
        let gap = Gap { before: row..to_row, after: column..to_column, next };
        (row, column) = (to_row + 1, to_column + 1);
        gap
    };
    ends.map(gap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(before: &str, after: &str) -> Vec<(usize, usize)> {
        let of = |text: &str| text.chars().collect::<Vec<_>>();
        common(&of(before), &of(after), &mut 10_000).unwrap()
    }

    #[test]
    fn what_both_have_in_order_is_found() {
        for (before, after, length) in [
            ("abcdef", "abcdef", 6),
            ("abc", "xaybzc", 3),
            ("abcbdab", "bdcaba", 4),
            ("aaa", "aa", 2),
            ("", "abc", 0),
            ("abc", "xyz", 0),
        ] {
            let pairs = pairs(before, after);
            assert_eq!(pairs.len(), length, "{before} {after}");
            assert!(pairs.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 < two[1].1));
            assert!(pairs.iter().all(|(a, b)| before.chars().nth(*a) == after.chars().nth(*b)));
        }
    }

    #[test]
    fn what_would_take_too_long_is_left_and_a_long_common_part_is_no_reason() {
        let (many, others): (Vec<u32>, Vec<u32>) = ((0..100).collect(), (200..300).collect());
        assert_eq!(common(&many, &others, &mut 9_999), None);
        let mut budget = 10_000;
        assert_eq!(common(&many, &others, &mut budget), Some(Vec::new()));
        assert_eq!(budget, 0);
        let long: Vec<u32> = (0..100_000).collect();
        let mut longer = long.clone();
        longer.insert(50_000, 1);
        assert_eq!(common(&long, &longer, &mut 0).unwrap().len(), 100_000);
    }

    #[test]
    fn gaps_cover_everything_that_is_not_common() {
        let found = gaps(&[(1, 0), (2, 3)], 4, 4);
        assert_eq!(
            found,
            [
                Gap { before: 0..1, after: 0..0, next: Some((1, 0)) },
                Gap { before: 2..2, after: 1..3, next: Some((2, 3)) },
                Gap { before: 3..4, after: 4..4, next: None },
            ]
        );
    }
}
