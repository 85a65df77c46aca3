//! Judging plans by the built-in rules and by policies.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::config::{RuleLevel, levels_in, parse_toml};
use crate::error::Result;
use crate::infra::open::Infra;
use crate::infra::providers;
use crate::plan::judge::{self, Finding, Findings, PolicyTests, Rules};
use crate::plan::{Plan, Veil};

/// What rules in Rego found, by whose they are: a repo has another say in its own.
#[derive(Debug, Default)]
pub(in crate::infra) struct RegoFindings {
    pub(in crate::infra) organisations: Vec<Finding>,
    pub(in crate::infra) own: Vec<Finding>,
}

/// What the judges say of one plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JudgedPlan {
    /// The stack, or the file as it was named.
    pub plan: String,
    /// What was found.
    #[serde(flatten)]
    pub findings: Findings,
}

impl fmt::Display for JudgedPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.plan, self.findings)
    }
}

impl Infra {
    /// What the built-in rules say of a plan, and the policies that `[policy]` names: those of this repo, and those of
    /// the repo that `extends` pins.
    ///
    /// # Errors
    /// `NotBuilt` when there are policies and the feature `policy` is not compiled in; `NotFound` when a folder or file of
    /// policies is not there, or holds no rule; `Invalid` with file, line and column when one cannot be read; `TimedOut`
    /// when they take too long. Policies that are not asked are never taken for content. No finding holds a secret of the plan.
    pub async fn judge(&self, plan: &Plan<'_>) -> Result<Findings> {
        let rules = Rules::of(self.settings());
        let mut findings = judge::check(plan, &rules)?.findings;
        let policy = &self.settings().policy;
        if policy.dir.is_some() || !policy.files.is_empty() {
            let found = providers::rego::judge(self, plan).await?;
            let theirs = self.organisations_levels().await?;
            let organisations = found.organisations.into_iter();
            findings.extend(organisations.filter_map(|finding| rules.raise_level(finding, &theirs)));
            findings.extend(found.own.into_iter().filter_map(|finding| rules.set_level(finding)));
        }
        let mut texts: Vec<&mut String> = Vec::new();
        for finding in &mut findings {
            texts.extend([&mut finding.rule, &mut finding.message]);
            texts.extend(finding.address.iter_mut().chain(&mut finding.hint));
        }
        Veil::of(plan)?.cover(&mut texts);
        Ok(Findings::new(findings))
    }

    /// What the file in `extends` says in `[policy.level]`: the settings tell only what all layers say together.
    async fn organisations_levels(&self) -> Result<BTreeMap<String, RuleLevel>> {
        match &self.settings().extends {
            Some(extends) if !self.settings().policy.files.is_empty() => {
                let text = self.config().file_beside_extends(self.env(), &extends.path).await?;
                Ok(levels_in(&parse_toml(&text, &extends.path)?))
            }
            _ => Ok(BTreeMap::new()),
        }
    }

    /// Runs the tests of this repo's policies: rules named `test_…` in files `*_test.rego`, and the cases in the folder
    /// `cases` of the policies, each a folder with `plan.json` and `expected.toml`.
    ///
    /// # Errors
    /// `NotFound` when there are no policies or no tests; as [`judge`](Infra::judge). A test that fails is none.
    pub async fn test_policies(&self) -> Result<PolicyTests> {
        providers::rego::test(self).await
    }

    /// Whether this program was started to evaluate policies; then it has done so, and ends with this code. A program
    /// that judges plans by policies asks first thing; [`main`](crate::main) does.
    pub fn evaluate_if_asked() -> Option<std::process::ExitCode> {
        providers::rego::evaluate_if_asked()
    }
}
