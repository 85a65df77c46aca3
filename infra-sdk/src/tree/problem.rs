//! One thing wrong with one value: where it stands and what would be right.

use std::fmt;

use crate::error::Error;
use crate::tree::Origin;

/// One thing wrong with a tree.
///
/// `Display` is one line, with the value's place first; it never shows a secret, nor text whose type was left open.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The place; for a missing value that of the table it is missing from.
    pub origin: Option<Origin>,
    /// The value's path, such as `deploy.port`.
    pub path: String,
    /// What is wrong.
    pub kind: ProblemKind,
}

/// What is wrong with a value.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProblemKind {
    /// It must be there and is not.
    Missing,
    /// Nobody reads this key.
    Unknown {
        /// The known key that was probably meant.
        nearest: Option<String>,
    },
    /// It is of another type.
    WrongType {
        /// The type that is read here, for people.
        wanted: String,
        /// The type that stands here, for people.
        found: String,
    },
    /// It has the right type and is still not accepted.
    Refused(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        let path = if self.path.is_empty() { "the whole" } else { &self.path };
        match &self.kind {
            ProblemKind::Missing => write!(f, "`{path}` is missing"),
            ProblemKind::Unknown { nearest: None } => write!(f, "`{path}` is not a known key"),
            ProblemKind::Unknown { nearest: Some(nearest) } => {
                write!(f, "`{path}` is not a known key; did you mean `{nearest}`?")
            }
            ProblemKind::WrongType { wanted, found } => write!(f, "`{path}` must be {wanted}, not {found}"),
            ProblemKind::Refused(message) => write!(f, "`{path}`: {message}"),
        }
    }
}

/// More than a person corrects in one go.
const SHOWN: usize = 50;

/// One error that shows the problems, one per line, the first fifty of them; `operation` says what could not be done.
pub fn refused(operation: impl Into<String>, problems: &[Problem]) -> Error {
    let mut lines: Vec<String> = problems.iter().take(SHOWN).map(Problem::to_string).collect();
    if problems.len() > SHOWN {
        lines.push(format!("and {} more", problems.len() - SHOWN));
    }
    Error::invalid(operation).because(lines.join("\n"))
}
