//! Cases for policies: a plan, and what they must find in it.

use std::path::Path;

use crate::error::{Error, Result};
use crate::file;
use crate::plan::PlanJson;
use crate::plan::judge::{ExpectedFindings, PolicyTest, PolicyTests};
use crate::rego::evaluator::Evaluator;
use crate::rego::input::About;
use crate::rego::policies::Policies;

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
        let expected = ExpectedFindings::parse(&text, "expected.toml")?;
        let json = PlanJson::read(folder.join("plan.json"))?;
        let found = self.judge(policies, &json.plan()?, about).await?;
        Ok(expected.problems(found.findings))
    }
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
