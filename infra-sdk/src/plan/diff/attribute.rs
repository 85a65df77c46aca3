//! The differences that a walk through before and after finds.

use crate::plan::json::Value;

/// What changes inside one resource or output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceDiff<'a> {
    /// Every difference, in the order of the paths.
    pub attributes: Vec<AttributeChange<'a>>,
    /// How many more attributes become known only after the apply, without anybody depending on them; which are told is
    /// said at [`resource_with`](crate::plan::diff::resource_with).
    pub folded: usize,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeChange<'a> {
    /// Where, as a person writes it. Items of a list are named by what identifies them, by their position where nothing
    /// does (after the change, or before it for what goes), and not at all in a set of plain values: `tags.Name`,
    /// `rule[name="web"].port`, `rule[2].port`, `subnets[]`. An arrow leads into a text that holds a document:
    /// `policy → Statement[Sid="Read"].Action[]`, `user_data → base64`.
    pub path: String,
    /// What differs.
    pub difference: Difference<'a>,
    /// Whether this is why the resource has to be replaced.
    pub forces_replacement: bool,
}

impl AttributeChange<'_> {
    /// A copy that borrows from nothing.
    pub fn into_owned(self) -> AttributeChange<'static> {
        AttributeChange {
            path: self.path,
            difference: self.difference.into_owned(),
            forces_replacement: self.forces_replacement,
        }
    }
}

/// How two values differ. Values in it are in clear, and may hold secrets that the plan did not mark.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference<'a> {
    /// It was not there.
    Added(Value<'a>),
    /// It goes away.
    Removed(Value<'a>),
    /// It becomes another value.
    Changed {
        /// What it is.
        before: Value<'a>,
        /// What it becomes.
        after: Value<'a>,
    },
    /// It becomes known only after the apply.
    Unknown {
        /// What it is; `null` when it is not there.
        before: Value<'a>,
    },
    /// It is marked as sensitive: only that it changes is told, never from what to what.
    Sensitive(SensitiveChange),
    /// A text of several lines: those that go and come, with what stands around them.
    Lines(Vec<LineChange>),
    /// The same members in another order.
    Reordered,
    /// Another text of the same meaning: JSON or an IAM policy, written differently.
    Reformatted,
}

impl Difference<'_> {
    /// A copy that borrows from nothing.
    pub fn into_owned(self) -> Difference<'static> {
        match self {
            Difference::Added(value) => Difference::Added(value.into_owned()),
            Difference::Removed(value) => Difference::Removed(value.into_owned()),
            Difference::Changed { before, after } => {
                Difference::Changed { before: before.into_owned(), after: after.into_owned() }
            }
            Difference::Unknown { before } => Difference::Unknown { before: before.into_owned() },
            Difference::Sensitive(change) => Difference::Sensitive(change),
            Difference::Lines(lines) => Difference::Lines(lines),
            Difference::Reordered => Difference::Reordered,
            Difference::Reformatted => Difference::Reformatted,
        }
    }
}

/// What happens to a sensitive value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SensitiveChange {
    /// It was not there.
    Added,
    /// It goes away.
    Removed,
    /// It becomes another value.
    Changed,
    /// It becomes known only after the apply.
    Unknown,
    /// The value stays; from now on it is treated as sensitive.
    Marked,
    /// The value stays; from now on it is not treated as sensitive.
    Unmarked,
}

/// One line of a text that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineChange {
    /// It stays, and stands near one that does not.
    Same(String),
    /// It comes.
    Added(String),
    /// It goes.
    Removed(String),
    /// So many lines that stay are left out here.
    Skipped(usize),
}
