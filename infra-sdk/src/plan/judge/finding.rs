//! What a judge has to say.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::plan::plain::plain;

/// One thing a rule found. Holds addresses and names, never values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The resource; `None` when it is about the whole plan.
    pub address: Option<String>,
    /// The rule, as `ownership` or, for a policy of one's own, `package.rule`.
    pub rule: String,
    /// How bad it is.
    pub level: Level,
    /// What is wrong, as one sentence.
    pub message: String,
    /// What to do about it, in the imperative.
    pub hint: Option<String>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Good to know.
    Note,
    /// To be looked at; stops nothing.
    Warning,
    /// Not to be applied.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Level::Note => "note",
            Level::Warning => "warning",
            Level::Error => "error",
        })
    }
}

/// What all judges found in one plan, the worst first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// The findings, the worst first, then by address and rule.
    pub findings: Vec<Finding>,
}

impl Findings {
    /// Puts findings in order; the same one twice counts once.
    pub fn new(mut findings: Vec<Finding>) -> Self {
        findings.sort_by(|a, b| {
            b.level
                .cmp(&a.level)
                .then_with(|| (&a.address, &a.rule, &a.message).cmp(&(&b.address, &b.rule, &b.message)))
        });
        findings.dedup();
        Findings { findings }
    }

    /// How many there are of a level.
    pub fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }

    /// Whether the plan may be applied, as far as the judges go.
    pub fn allow(&self) -> bool {
        self.count(Level::Error) == 0
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.findings.is_empty() {
            return f.write_str("no findings");
        }
        // Addresses and messages may hold anything and must not break out of their line.
        for (index, finding) in self.findings.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            let address = finding.address.as_deref().unwrap_or("the plan");
            write!(f, "{separator}{:<7} {}: {}", finding.level, plain(address), plain(&finding.message))?;
            write!(f, "  [{}]", plain(&finding.rule))?;
            if let Some(hint) = &finding.hint {
                write!(f, "\n        next: {}", plain(hint))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_comes_first_and_nothing_twice() {
        let finding = |level, address: &str| Finding {
            address: Some(address.into()),
            rule: "r".into(),
            level,
            message: "m\nx\u{202e}".into(),
            hint: Some("h".into()),
        };
        let all = [Level::Note, Level::Error, Level::Warning, Level::Error].map(|level| finding(level, "a"));
        let findings = Findings::new(all.to_vec());
        assert!(!findings.allow());
        let text = findings.to_string();
        assert!(
            text.starts_with("error   a: m\u{fffd}x\u{fffd}  [r]\n        next: h\nwarning a:"),
            "{text}"
        );
        assert_eq!(findings.findings.len(), 3);
    }
}
