//! Findings of the lint, by line; names and places, never a byte of a value.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::reading::Reader;
use crate::names::SecretName;

/// Where other programs would read `.env` files differently.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LintReport {
    /// The files that were looked at.
    pub files: Vec<PathBuf>,
    /// How many values stand in them.
    pub values: usize,
    /// Files that are not a `.env` to us: nothing else is known of them.
    pub refused: Vec<LintRefusal>,
    /// Differences, by file, line and reader.
    pub findings: Vec<LintFinding>,
}

/// A file that cannot be read, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LintRefusal {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong there.
    pub what: String,
    /// What to do about it.
    pub cure: String,
}

/// A value that one program reads differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LintFinding {
    /// The file.
    pub path: PathBuf,
    /// The line the value begins on, from 1.
    pub line: usize,
    /// The name that is set there.
    pub name: SecretName,
    /// The program.
    pub reader: Reader,
    /// What it does instead, such as "ends the value at the `#`: 4 of 9 characters".
    pub how: String,
    /// What makes all programs read it alike.
    pub cure: String,
}

impl LintReport {
    /// Whether every file can be read, and all programs read it alike.
    pub fn is_clean(&self) -> bool {
        self.refused.is_empty() && self.findings.is_empty()
    }

    /// Puts another report behind this one.
    pub(super) fn extend(&mut self, other: LintReport) {
        self.files.extend(other.files);
        self.values += other.values;
        self.refused.extend(other.refused);
        self.findings.extend(other.findings);
    }
}

impl fmt::Display for LintRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, column, what, .. } = self;
        write!(f, "{}:{line}:{column}: {what}", path.display())
    }
}

impl fmt::Display for LintFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, name, reader, how, .. } = self;
        write!(f, "{}:{line}: {name}: {reader} {how}", path.display())
    }
}

impl fmt::Display for LintReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.files.is_empty() {
            return f.write_str("no `.env` to look at");
        }
        let mut lines: Vec<_> = self.findings.iter().map(|finding| (&finding.path, finding.line)).collect();
        lines.dedup();
        let values = self.values;
        match (self.is_clean(), self.refused.is_empty()) {
            (true, _) => {
                write!(f, "{values} values are read alike by gh, node, docker compose, python and bash")?;
            }
            (_, true) => {
                write!(f, "{} of {values} values are read differently by other programs", lines.len())?
            }
            _ => write!(f, "{} of {} files cannot be read", self.refused.len(), self.files.len())?,
        }
        for refusal in &self.refused {
            write!(f, "\n  {refusal}\n    cure: {}", refusal.cure)?;
        }
        for (at, finding) in self.findings.iter().enumerate() {
            write!(f, "\n  {finding}")?;
            let next = self.findings.get(at + 1);
            let last = next.is_none_or(|next| (&next.path, next.line) != (&finding.path, finding.line));
            if last {
                write!(f, "\n    cure: {}", finding.cure)?;
            }
        }
        Ok(())
    }
}
