//! What a scan found: names and places, never a value.

use std::fmt;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::mask::Spelling;
use crate::names::SecretName;

/// What a scan found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ScanReport {
    /// The places of real values: files first, then what is staged, then the history; each by file and line.
    pub findings: Vec<Finding>,
    /// Findings beyond those that are listed.
    pub more: usize,
    /// Secrets whose values are shorter than 8 characters or words that stand everywhere: not looked for.
    pub too_short: Vec<SecretName>,
    /// Secrets that were looked for.
    pub looked_for: usize,
    /// What was searched.
    pub searched: ScanProgress,
    /// Repos inside this one, such as submodules: not searched.
    pub not_searched: Vec<String>,
}

/// One place of a real value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// Where the file is.
    pub place: Place,
    /// The file, from the root of the git repo, or what else it is, such as `message of the commit`. Bytes that are no
    /// text, and values in it, are replaced.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1, in characters.
    pub column: u64,
    /// The secret.
    pub secret: SecretName,
    /// How its value is written there.
    pub form: Form,
    /// Whether only a part of the value is there: a line of it, a field, its password.
    pub part: bool,
}

/// Where a file is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// In the working folder.
    Worktree,
    /// In what the next commit takes.
    Staged,
    /// In the history: the oldest commit that has it.
    Commit(String),
    /// In the history, outside of every commit: the object that has it.
    Object(String),
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// As it is.
    Plain,
    /// As JSON and program texts escape it.
    Json,
    /// As URLs write it.
    Url,
    /// In base64, alone or inside a longer text.
    Base64,
}

impl From<Spelling> for Form {
    fn from(spelling: Spelling) -> Self {
        match spelling {
            Spelling::Plain => Form::Plain,
            Spelling::Escaped => Form::Json,
            Spelling::Url => Form::Url,
            Spelling::Base64 => Form::Base64,
        }
    }
}

/// How much was searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ScanProgress {
    /// Files of the working folder.
    pub files: u64,
    /// Staged files.
    pub staged: u64,
    /// Objects of the history: files, and messages of commits and tags.
    pub objects: u64,
    /// Bytes in all of them.
    pub bytes: u64,
}

impl ScanReport {
    /// Fails if a real value was found.
    ///
    /// # Errors
    /// `Denied` with the secrets, what to do about them, and nothing of their values.
    pub fn require_clean(&self) -> Result<()> {
        if self.findings.is_empty() {
            return Ok(());
        }
        let mut names: Vec<&str> = self.findings.iter().map(|finding| finding.secret.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let error =
            Error::new(crate::error::ErrorKind::Denied, "values of secrets stand where git keeps them")
                .with("secrets", names.join(", "))
                .with("places", self.findings.len() + self.more);
        let stays = |place: &Place| matches!(place, Place::Commit(_) | Place::Object(_));
        Err(if self.findings.iter().any(|finding| stays(&finding.place)) {
            error.hint(
                "rotate each of them with `cargo xtask infra:secrets:rotate`: what was committed stays known",
            )
        } else {
            error.hint("take them out of these files, `git add` them again, and read them from the environment instead")
        })
    }
}

impl fmt::Display for ScanProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts =
            [(self.files, "files"), (self.staged, "staged files"), (self.objects, "objects of the history")];
        let mut parts: Vec<String> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if parts.is_empty() {
            parts.push("nothing".into());
        }
        write!(f, "{}, {:.1} MB", parts.join(", "), self.bytes as f64 / 1e6)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |id: &str| id.chars().take(12).collect::<String>();
        match self {
            Place::Worktree => f.pad("worktree"),
            Place::Staged => f.pad("staged"),
            Place::Commit(id) => f.pad(&format!("commit {}", short(id))),
            Place::Object(id) => f.pad(&format!("object {}", short(id))),
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Form::Plain => "plain",
            Form::Json => "escaped as in JSON",
            Form::Url => "as in a URL",
            Form::Base64 => "base64",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = if self.part { "a part of " } else { "" };
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        write!(f, "{part}{}, {} ({})", self.secret, self.form, self.place)
    }
}

impl fmt::Display for ScanReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        if self.more > 0 {
            writeln!(f, "and {} more", self.more)?;
        }
        if !self.too_short.is_empty() {
            let names: Vec<&str> = self.too_short.iter().map(SecretName::as_str).collect();
            writeln!(f, "too short to look for: {}", names.join(", "))?;
        }
        if !self.not_searched.is_empty() {
            writeln!(f, "not searched, repos of their own: {}", self.not_searched.join(", "))?;
        }
        let found = match self.findings.len() + self.more {
            0 => "none".to_owned(),
            places => format!("values of secrets at {places} places"),
        };
        write!(f, "{} secrets looked for in {}: {found}", self.looked_for, self.searched)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_line_by_line_and_says_what_to_do() {
        let finding = Finding {
            place: Place::Commit("0123456789abcdef0123".into()),
            file: "src/a.rs".into(),
            line: 3,
            column: 9,
            secret: "API_KEY".parse().unwrap(),
            form: Form::Base64,
            part: true,
        };
        let staged = Finding { place: Place::Staged, part: false, form: Form::Plain, ..finding.clone() };
        let mut report = ScanReport {
            findings: vec![staged, finding],
            more: 2,
            too_short: vec!["PIN".parse().unwrap()],
            looked_for: 4,
            searched: ScanProgress { files: 0, staged: 2, objects: 30, bytes: 1_234_567 },
            not_searched: vec!["vendor/x".into()],
        };
        let wanted = "\
src/a.rs:3:9: API_KEY, plain (staged)
src/a.rs:3:9: a part of API_KEY, base64 (commit 0123456789ab)
and 2 more
too short to look for: PIN
not searched, repos of their own: vendor/x
4 secrets looked for in 2 staged files, 30 objects of the history, 1.2 MB: values of secrets at 4 places";
        assert_eq!(report.to_string(), wanted);
        let error = report.require_clean().unwrap_err();
        assert!(
            error.to_string().contains("secrets: API_KEY, places: 4") && error.hints()[0].contains("rotate")
        );
        report.findings.pop();
        assert!(report.require_clean().unwrap_err().hints()[0].contains("git add"));
        let clean = ScanReport { looked_for: 4, ..ScanReport::default() };
        assert!(clean.require_clean().is_ok());
        assert_eq!(clean.to_string(), "4 secrets looked for in nothing, 0.0 MB: none");
    }
}
