//! What the built-in rules go by, as plain data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::{Kind, Policy, RuleLevel, Settings};
use crate::plan::judge::{Finding, Level};

/// What the built-in rules go by.
///
/// ```
/// use infra_sdk::plan::{Plan, judge::{self, Rules}};
/// let rules = Rules { protected: vec!["aws_db_*".into()], ..Rules::default() };
/// let json = br#"{"format_version": "1.2", "resource_changes": [
///     {"address": "aws_db_instance.main", "type": "aws_db_instance", "name": "main", "change": {"actions": ["delete"]}}]}"#;
/// let findings = judge::check(&Plan::parse(json)?, &rules)?;
/// assert!(!findings.allow());
/// assert_eq!(findings.findings[0].rule, "protected");
/// # Ok::<(), infra_sdk::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Rules {
    /// Types that this repo may not plan, because they belong to another: `aws_vpc`, `aws_kms_*`.
    pub owned: Vec<String>,
    /// Types and addresses that are never destroyed or replaced.
    pub protected: Vec<String>,
    /// The tags that every AWS resource has that can have tags.
    pub required_tags: Vec<String>,
    /// Addresses that are public on purpose.
    pub public: Vec<String>,
    /// How bad findings are at most, by rule; what is not named here stays as the rule says.
    pub level: BTreeMap<String, RuleLevel>,
}

impl Rules {
    /// The rules that a repo's settings give. A repo of the kind `infrastructure` owns what others may not plan.
    pub fn of(settings: &Settings) -> Self {
        let Policy { owned, protected, required_tags, public, level, .. } = settings.policy.clone();
        let owned = if settings.project.kind == Kind::Infrastructure { Vec::new() } else { owned };
        Rules { owned, protected, required_tags, public, level }
    }

    /// The finding of a rule of one's own with the level that is set for it; `None` when it is switched off.
    pub fn set_level(&self, finding: Finding) -> Option<Finding> {
        level_of(finding, &self.level)
    }

    /// The finding of a rule of the organisation's, of whose file `theirs` are the levels: as bad as the rule or that file
    /// says, and worse when these rules have it so, but never milder. `None` when the file itself switches it off.
    pub fn raise_level(&self, finding: Finding, theirs: &BTreeMap<String, RuleLevel>) -> Option<Finding> {
        let floor = level_of(finding.clone(), theirs);
        let own = self.set_level(finding);
        // Nothing is the mildest.
        [floor, own].into_iter().flatten().max_by_key(|finding| finding.level)
    }

    /// The finding of a built-in rule as these rules have it: at most as bad as they say, or not at all.
    pub(super) fn limit(&self, mut finding: Finding) -> Option<Finding> {
        let most = match self.level.get(&finding.rule) {
            None | Some(RuleLevel::Error) => Level::Error,
            Some(RuleLevel::Warning) => Level::Warning,
            Some(RuleLevel::Note) => Level::Note,
            Some(RuleLevel::Off) => return None,
        };
        finding.level = finding.level.min(most);
        Some(finding)
    }
}

/// The finding with the level that `levels` has for it; built-in rules have none there.
fn level_of(mut finding: Finding, levels: &BTreeMap<String, RuleLevel>) -> Option<Finding> {
    finding.level = match levels.get(&finding.rule).filter(|_| finding.rule.contains('.')) {
        None => finding.level,
        Some(RuleLevel::Error) => Level::Error,
        Some(RuleLevel::Warning) => Level::Warning,
        Some(RuleLevel::Note) => Level::Note,
        Some(RuleLevel::Off) => return None,
    };
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repo_makes_a_finding_of_its_organisation_worse_and_never_milder() {
        use RuleLevel::{Error, Note, Off, Warning};
        let level = |said: Option<RuleLevel>| said.map(|level| ("acme.tags.deny".to_owned(), level));
        for (theirs, own, expected) in [
            (None, None, Some(Level::Warning)),
            (None, Some(Off), Some(Level::Warning)),
            (None, Some(Note), Some(Level::Warning)),
            (None, Some(Error), Some(Level::Error)),
            (Some(Note), Some(Note), Some(Level::Note)),
            (Some(Note), Some(Off), Some(Level::Note)),
            (Some(Note), Some(Warning), Some(Level::Warning)),
            (Some(Off), Some(Off), None),
            (Some(Off), Some(Error), Some(Level::Error)),
        ] {
            let finding = Finding {
                address: None,
                rule: "acme.tags.deny".into(),
                level: Level::Warning,
                message: "m".into(),
                hint: None,
            };
            let rules = Rules { level: level(own).into_iter().collect(), ..Rules::default() };
            let raised = rules.raise_level(finding, &level(theirs).into_iter().collect());
            assert_eq!(raised.map(|finding| finding.level), expected, "{theirs:?} {own:?}");
        }
    }
}
