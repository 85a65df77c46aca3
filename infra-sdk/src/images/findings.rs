//! What a scan of an image found, and whether that is too much.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::names::{ImageName, nearest, quoted};
use crate::time::Timestamp;

/// How bad a finding is, from what nobody has judged yet to the worst.
///
/// ```
/// use infra_sdk::images::Severity;
/// assert!("critical".parse::<Severity>()? > Severity::High);
/// # Ok::<(), infra_sdk::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Not judged yet.
    Undefined,
    /// Good to know.
    Informational,
    /// Hard to use against anybody.
    Low,
    /// To be corrected some time.
    Medium,
    /// To be corrected soon.
    High,
    /// To be corrected now.
    Critical,
}

impl Severity {
    const ALL: [Severity; 6] = [
        Severity::Undefined,
        Severity::Informational,
        Severity::Low,
        Severity::Medium,
        Severity::High,
        Severity::Critical,
    ];

    /// The severity as people write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Undefined => "undefined",
            Severity::Informational => "informational",
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }

    /// What a registry's word means. A word nobody knows here is the worst: what is not understood does not pass.
    pub fn of_word(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "untriaged" => Severity::Undefined,
            word => Self::ALL.into_iter().find(|known| known.as_str() == word).unwrap_or(Severity::Critical),
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Severity {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == text).ok_or_else(|| {
            let words: Vec<&str> = Self::ALL.iter().map(|known| known.as_str()).collect();
            let error = Error::invalid(format!("{} is not a severity", quoted(text)));
            match nearest(text, words.iter().copied()) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint(format!("use one of {}", words.join(", "))),
            }
        })
    }
}

impl Serialize for Severity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One thing that a scan found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Such as `CVE-2024-3094`.
    pub name: String,
    /// What it was found in, with its version.
    pub package: Option<String>,
    /// Where it is corrected, for scanners that tell.
    pub fixed_in: Option<String>,
    /// Where to read on.
    pub url: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:8} {}", self.severity, self.name)?;
        if let Some(package) = &self.package {
            write!(f, " in {package}")?;
        }
        if let Some(fixed) = &self.fixed_in {
            write!(f, ", corrected in {fixed}")?;
        }
        self.url.iter().try_for_each(|url| write!(f, " ({url})"))
    }
}

/// Everything a scan found in one image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// How many there are of each severity.
    pub counts: BTreeMap<Severity, u64>,
    /// Each of them, the worst first.
    pub findings: Vec<Finding>,
    /// When the scan ended; of several, the oldest. What was found out since is not among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scanned: Option<Timestamp>,
}

impl Findings {
    /// Adds those of another part of the same image; what stands there already is not counted twice.
    pub(crate) fn join(&mut self, other: Findings) {
        self.scanned = [self.scanned, other.scanned].into_iter().flatten().min();
        for (severity, count) in other.counts {
            *self.counts.entry(severity).or_default() += count;
        }
        for finding in other.findings {
            if self.findings.contains(&finding) {
                if let Some(count) = self.counts.get_mut(&finding.severity) {
                    *count = count.saturating_sub(1);
                }
            } else {
                self.findings.push(finding);
            }
        }
        self.sort();
    }

    /// The worst first.
    pub(crate) fn sort(&mut self) {
        self.findings.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.name.cmp(&b.name)));
    }

    /// How many are as bad as `threshold` or worse. A registry that counts fewer than it lists is not believed.
    pub fn at_least(&self, threshold: Severity) -> u64 {
        let worse = Severity::ALL.into_iter().filter(|severity| *severity >= threshold);
        let each = worse.map(|severity| {
            let listed = self.findings.iter().filter(|finding| finding.severity == severity).count() as u64;
            listed.max(self.counts.get(&severity).copied().unwrap_or_default())
        });
        each.sum()
    }
}

/// What was found in an image, held against a threshold.
#[derive(Clone, Debug, Serialize)]
pub struct ScanReport {
    /// The image.
    pub image: ImageName,
    /// Exactly which.
    pub digest: Digest,
    /// What is as bad as this, or worse, is refused.
    pub threshold: Severity,
    /// How many findings are.
    pub refused: u64,
    /// What was found.
    #[serde(flatten)]
    pub found: Findings,
    /// What a reader must know of it, such as that these findings are of an earlier scan.
    pub notes: Vec<String>,
}

impl ScanReport {
    /// Lets an image pass that has nothing as bad as the threshold.
    ///
    /// # Errors
    /// `Denied`, with the number of findings.
    pub fn require_passed(&self) -> Result<()> {
        if self.refused == 0 {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Denied, "the image has findings that it must not have")
            .with("image", format!("{}@{}", self.image, self.digest.short()))
            .with("findings", format!("{} of {} or worse", self.refused, self.threshold))
            .hint("take a newer base or newer packages, build and push again")
            .hint("or let more pass with `--threshold`"))
    }
}

impl fmt::Display for ScanReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}: ", self.image, self.digest.short())?;
        let counts = self.found.counts.iter().rev().filter(|(_, count)| **count > 0);
        let counts: Vec<String> = counts.map(|(severity, count)| format!("{count} {severity}")).collect();
        match counts.as_slice() {
            [] => f.write_str("nothing was found")?,
            counts => f.write_str(&counts.join(", "))?,
        }
        for finding in self.found.findings.iter().filter(|finding| finding.severity >= self.threshold) {
            write!(f, "\n  {finding}")?;
        }
        self.notes.iter().try_for_each(|note| write!(f, "\n  {note}"))?;
        self.found.scanned.iter().try_for_each(|time| write!(f, "\n  scanned {time}"))?;
        match self.refused {
            0 => write!(f, "\npasses: nothing is {} or worse", self.threshold),
            count => write!(f, "\nrefused: {count} are {} or worse", self.threshold),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(severity: Severity, name: &str) -> Finding {
        Finding { severity, name: name.into(), package: None, fixed_in: None, url: None }
    }

    #[test]
    fn what_nobody_knows_is_the_worst() {
        assert_eq!(Severity::of_word("HIGH"), Severity::High);
        assert_eq!(Severity::of_word("UNTRIAGED"), Severity::Undefined);
        assert_eq!(Severity::of_word("APOCALYPTIC"), Severity::Critical);
        assert!("hihg".parse::<Severity>().unwrap_err().hints()[0].contains("`high`"));
        assert!("x".parse::<Severity>().unwrap_err().hints()[0].contains("critical"));
    }

    #[test]
    fn findings_are_counted_from_the_threshold_on_and_never_fewer_than_listed() {
        let counts = [(Severity::Low, 7), (Severity::High, 1)].into();
        let found = Findings { counts, findings: vec![finding(Severity::High, "A")], scanned: None };
        assert_eq!(found.at_least(Severity::Low), 8);
        assert_eq!(found.at_least(Severity::Medium), 1);
        assert_eq!(found.at_least(Severity::Critical), 0);
        let lies = Findings { findings: vec![finding(Severity::High, "A")], ..Findings::default() };
        assert_eq!(lies.at_least(Severity::High), 1);
    }

    #[test]
    fn the_platforms_of_one_image_count_the_same_finding_once() {
        let one = |name: &str| Findings {
            counts: [(Severity::High, 2)].into(),
            findings: vec![finding(Severity::High, "A"), finding(Severity::High, name)],
            scanned: None,
        };
        let mut both = one("B");
        both.join(one("C"));
        assert_eq!(both.at_least(Severity::High), 3);
        assert_eq!(both.findings.iter().map(|found| found.name.as_str()).collect::<String>(), "ABC");
    }
}
