//! The answer of a comparison, and what each of its reasons weighs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whether an approval of one plan covers another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The same is done.
    Equal,
    /// The same is done, and some values that were unknown are known now.
    Resolved,
    /// Less is done: a part was applied already, or is not needed any more.
    Narrower,
    /// Something is done that nobody approved.
    Wider,
    /// The plans have no resource in common: they are of two stacks.
    Unrelated,
}

impl Verdict {
    /// The code for a process to end with: 0 for equal, resolved and narrower, 2 for wider, 3 for unrelated.
    pub fn exit_code(self) -> u8 {
        match self {
            Verdict::Equal | Verdict::Resolved | Verdict::Narrower => 0,
            Verdict::Wider => 2,
            Verdict::Unrelated => 3,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Equal => "equal",
            Verdict::Resolved => "resolved",
            Verdict::Narrower => "narrower",
            Verdict::Wider => "wider",
            Verdict::Unrelated => "unrelated",
        })
    }
}

/// What one reason does to the verdict: the heaviest decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// Good to know, and no difference in what is done.
    Same,
    /// What was unknown is known.
    Resolved,
    /// Less is done.
    Narrower,
    /// Something is done that nobody approved.
    Wider,
    /// The plans are of two stacks.
    Unrelated,
}

impl Weight {
    /// The verdict when nothing weighs more.
    pub fn verdict(self) -> Verdict {
        match self {
            Weight::Same => Verdict::Equal,
            Weight::Resolved => Verdict::Resolved,
            Weight::Narrower => Verdict::Narrower,
            Weight::Wider => Verdict::Wider,
            Weight::Unrelated => Verdict::Unrelated,
        }
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Weight::Same => f.pad("same"),
            other => other.verdict().fmt(f),
        }
    }
}
