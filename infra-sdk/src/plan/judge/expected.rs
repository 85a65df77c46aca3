//! What the case of a policy expects to be found.

use serde::Deserialize;

use crate::config::parse_toml;
use crate::error::Result;
use crate::plan::judge::{Finding, Level};
use crate::tree::{self, ReadOptions, refused};

/// What must be found in a plan: `expected.toml` of a case.
///
/// ```
/// use infra_sdk::plan::judge::ExpectedFindings;
/// let expected = ExpectedFindings::parse("[[finding]]\nrule = \"acme.tags.deny\"\n", "expected.toml")?;
/// assert_eq!(expected.problems(Vec::new()), ["not found: acme.tags.deny about the plan"]);
/// # Ok::<(), infra_sdk::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedFindings {
    /// Every finding, in any order; none: the policies find nothing.
    #[serde(default)]
    pub finding: Vec<ExpectedFinding>,
}

/// One finding that must be there.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedFinding {
    /// The rule, as `package.rule`.
    pub rule: String,
    /// Left out for a finding about the whole plan.
    pub address: Option<String>,
    /// Left out: of any level.
    pub level: Option<Level>,
    /// A part of the message; left out: any message.
    pub message: Option<String>,
}

impl ExpectedFindings {
    /// Reads the file's text; `name` stands for it in messages.
    ///
    /// # Errors
    /// `Invalid` with every place that is wrong.
    pub fn parse(text: &str, name: &str) -> Result<Self> {
        let tree = parse_toml(text, name)?;
        tree::read(&tree, ReadOptions::default()).map_err(|problems| {
            refused("`expected.toml` of a case cannot be read", &problems)
                .hint("write `[[finding]]` tables with `rule` and `address`")
        })
    }

    /// What is expected and not found, and what is found and not expected.
    pub fn problems(&self, mut found: Vec<Finding>) -> Vec<String> {
        let mut problems = Vec::new();
        for wanted in &self.finding {
            match found.iter().position(|finding| wanted.is(finding)) {
                Some(at) => drop(found.remove(at)),
                None => {
                    let address = wanted.address.as_deref().unwrap_or("the plan");
                    problems.push(format!("not found: {} about {address}", wanted.rule));
                }
            }
        }
        problems.extend(found.iter().map(|finding| {
            let address = finding.address.as_deref().unwrap_or("the plan");
            format!("not expected: {} about {address}: {} ({})", finding.rule, finding.message, finding.level)
        }));
        problems
    }
}

impl ExpectedFinding {
    fn is(&self, finding: &Finding) -> bool {
        finding.rule == self.rule
            && finding.address == self.address
            && self.level.is_none_or(|level| level == finding.level)
            && self.message.as_ref().is_none_or(|part| finding.message.contains(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_and_what_is_too_much_are_both_told() {
        let expected = ExpectedFindings::parse(
            "[[finding]]\nrule = \"a.deny\"\naddress = \"x\"\nmessage = \"team\"\n[[finding]]\nrule = \"a.warn\"\nlevel = \"warning\"\n",
            "expected.toml",
        )
        .unwrap();
        let finding = |rule: &str, address: Option<&str>, level| Finding {
            address: address.map(str::to_owned),
            rule: rule.into(),
            level,
            message: "no team".into(),
            hint: None,
        };
        let found = vec![finding("a.deny", Some("x"), Level::Error), finding("a.warn", None, Level::Error)];
        assert_eq!(
            expected.problems(found),
            ["not found: a.warn about the plan", "not expected: a.warn about the plan: no team (error)"]
        );
    }

    #[test]
    fn every_mistake_is_told_at_once_with_its_place() {
        let text = "[[finding]]\nrule = 7\nadress = \"x\"\n[[finding]]\nrule = \"a.b\"\nlevel = \"bad\"\n";
        let report = ExpectedFindings::parse(text, "expected.toml").unwrap_err().report().to_string();
        for place in ["expected.toml:2:", "expected.toml:3:", "did you mean `address`?", "expected.toml:6:"] {
            assert!(report.contains(place), "{place}\n{report}");
        }
        assert!(ExpectedFindings::parse("[[findings]]\n", "expected.toml").is_err());
        assert!(ExpectedFindings::parse("", "expected.toml").unwrap().finding.is_empty());
    }
}
