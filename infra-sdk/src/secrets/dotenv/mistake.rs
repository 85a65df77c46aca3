//! Why a text is not a `.env`, and where; never a byte of the text.

use std::fmt;
use std::path::Path;

use crate::error::Error;

/// Why a text is not a `.env`, and where: counted from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::secrets) struct Mistake {
    pub(in crate::secrets) line: usize,
    pub(in crate::secrets) column: usize,
    pub(in crate::secrets) kind: Kind,
}

impl Mistake {
    pub(in crate::secrets) fn in_file(self, path: &Path) -> Error {
        let Mistake { line, column, kind } = self;
        Error::invalid(format!("`.env` cannot be read: {kind}"))
            .with("path", format_args!("{}:{line}:{column}", path.display()))
            .hint(kind.hint())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::secrets) enum Kind {
    NoEquals,
    EmptyName,
    BadName,
    LongName,
    TextAfterQuote,
    NoClosingQuote,
    Backtick,
    Nul,
    CarriageReturn,
    SetBefore { line: usize },
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::NoEquals => f.write_str("no '='"),
            Kind::EmptyName => f.write_str("empty name"),
            Kind::BadName => f.write_str("bad name"),
            Kind::LongName => f.write_str("name longer than 128 characters"),
            Kind::TextAfterQuote => f.write_str("text after closing quote"),
            Kind::NoClosingQuote => f.write_str("no closing quote"),
            Kind::Backtick => f.write_str("value begins with a backtick"),
            Kind::Nul => f.write_str("NUL in value"),
            Kind::CarriageReturn => f.write_str("carriage return in the middle of a line"),
            Kind::SetBefore { line } => write!(f, "already set on line {line}"),
        }
    }
}

impl Kind {
    pub(in crate::secrets) fn hint(self) -> &'static str {
        match self {
            Kind::NoEquals => "write `NAME=value`; put a value of several lines between double quotes",
            Kind::EmptyName => "write a name before the `=`",
            Kind::BadName => "use letters, digits and `_` for the name, and no digit at its start",
            Kind::LongName => "use a shorter name",
            Kind::TextAfterQuote => "put the whole value between one pair of quotes",
            Kind::NoClosingQuote => "close the quote that is opened here",
            Kind::Backtick => "put the value between single quotes: programs disagree on backticks",
            Kind::Nul => "remove the NUL byte, or store the value as base64",
            Kind::CarriageReturn => "end lines with a line feed, or write `\\r` between double quotes",
            Kind::SetBefore { .. } => "remove one of the two: programs disagree on which one counts",
        }
    }
}
