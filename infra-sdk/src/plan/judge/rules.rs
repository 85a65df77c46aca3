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
    pub fn set_level(&self, mut finding: Finding) -> Option<Finding> {
        finding.level = match self.level.get(&finding.rule).filter(|_| finding.rule.contains('.')) {
            None => finding.level,
            Some(RuleLevel::Error) => Level::Error,
            Some(RuleLevel::Warning) => Level::Warning,
            Some(RuleLevel::Note) => Level::Note,
            Some(RuleLevel::Off) => return None,
        };
        Some(finding)
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
