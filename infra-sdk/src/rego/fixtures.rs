//! Cases for policies: a plan, and what they must find in it.

use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::file;
use crate::plan::PlanJson;
use crate::plan::judge::{Finding, Level, PolicyTest, PolicyTests};
use crate::rego::evaluator::Evaluator;
use crate::rego::input::About;
use crate::rego::policies::Policies;

/// What must be found in the plan beside it: `expected.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// Every finding, in any order; none: the policies find nothing.
    #[serde(default)]
    finding: Vec<ExpectedFinding>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedFinding {
    rule: String,
    /// Left out for a finding about the whole plan.
    address: Option<String>,
    /// Left out: of any level.
    level: Option<Level>,
    /// A part of the message; left out: any message.
    message: Option<String>,
}

impl Evaluator {
    /// Runs the tests of policies: every rule named `test_…`, and every case, a folder `cases/NAME` with `plan.json` and
    /// `expected.toml`:
    ///
    /// ```toml
    /// [[finding]]
    /// rule = "acme.tags.deny"
    /// address = "aws_sqs_queue.jobs"   # left out for a finding about the whole plan
    /// level = "error"                  # may be left out
    /// message = "team"                 # a part of it; may be left out
    /// ```
    ///
    /// # Errors
    /// `NotFound` when there is neither a test nor a case, or a case lacks one of its files; `Invalid` when a file cannot
    /// be read; as [`judge`](Evaluator::judge). A test that fails is none.
    pub async fn test(&self, policies: &Policies, cases: &Path, about: &About) -> Result<PolicyTests> {
        let mut tests = self.tests(policies).await?;
        for name in folders(cases)? {
            let problems = self
                .case(policies, &cases.join(&name), about)
                .await
                .map_err(|error| error.with("case", &name))?;
            tests.push(PolicyTest { name, problems });
        }
        if tests.is_empty() {
            return Err(Error::not_found("there is no test of the policies")
                .with("cases", cases.display())
                .hint("add a folder there with `plan.json` and `expected.toml`, or rules `test_…` in a file `NAME_test.rego`"));
        }
        tests.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(PolicyTests { tests })
    }

    async fn case(&self, policies: &Policies, folder: &Path, about: &About) -> Result<Vec<String>> {
        let path = folder.join("expected.toml");
        let text = file::read_text(&path, 1 << 20)?.ok_or_else(|| {
            Error::not_found("a case has no `expected.toml`")
                .hint("list there what must be found; an empty file means that nothing is")
        })?;
        let expected: Expected = toml::from_str(&text).map_err(|error| {
            Error::invalid("`expected.toml` of a case cannot be read")
                .because(error)
                .hint("write `[[finding]]` tables with `rule` and `address`")
        })?;
        let json = PlanJson::read(folder.join("plan.json"))?;
        let found = self.judge(policies, &json.plan()?, about).await?;
        Ok(compare(expected.finding, found.findings))
    }
}

/// What is expected and not found, and what is found and not expected.
fn compare(expected: Vec<ExpectedFinding>, mut found: Vec<Finding>) -> Vec<String> {
    let mut problems = Vec::new();
    for wanted in expected {
        let is = |finding: &Finding| {
            finding.rule == wanted.rule
                && finding.address == wanted.address
                && wanted.level.is_none_or(|level| level == finding.level)
                && wanted.message.as_ref().is_none_or(|part| finding.message.contains(part))
        };
        match found.iter().position(is) {
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

/// The names of the folders in `folder`; none when it is not there.
fn folders(folder: &Path) -> Result<Vec<String>> {
    let fail = |error| file::failed("read the cases of policies", folder, error);
    let mut names = Vec::new();
    if !folder.exists() {
        return Ok(names);
    }
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        if entry.file_type().map_err(fail)?.is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_and_what_is_too_much_are_both_told() {
        let expected: Expected = toml::from_str(
            "[[finding]]\nrule = \"a.deny\"\naddress = \"x\"\nmessage = \"team\"\n[[finding]]\nrule = \"a.warn\"\nlevel = \"warning\"\n",
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
        let problems = compare(expected.finding, found);
        assert_eq!(
            problems,
            ["not found: a.warn about the plan", "not expected: a.warn about the plan: no team (error)"]
        );
        assert!(toml::from_str::<Expected>("[[findings]]\n").is_err());
    }
}
