//! How lines are told apart when several tasks write them.

/// Prefixes are padded to the longest name, but not beyond this.
const WIDEST: usize = 28;

/// How the lines of several tasks are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One task: its lines as they are.
    Single,
    /// One after another: a heading before the lines of each.
    Headings,
    /// At the same time: each line starts with the task's name.
    Prefixed(usize),
}

impl Layout {
    /// The layout for tasks with these names, of which `jobs` run at the same time.
    pub(crate) fn of<'a>(names: impl ExactSizeIterator<Item = &'a str>, jobs: usize) -> Self {
        match (names.len(), jobs) {
            (0 | 1, _) => Layout::Single,
            (_, 1) => Layout::Headings,
            _ => Layout::Prefixed(names.map(|name| name.chars().count()).max().unwrap_or(0).min(WIDEST)),
        }
    }
}
