//! How the tests of policies went.

use std::fmt;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};

/// One test of the policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyTest {
    /// The rule with its place, or the folder of the case.
    pub name: String,
    /// What is not as it should be; empty when it passed.
    pub problems: Vec<String>,
}

impl PolicyTest {
    /// Whether everything is as it should be.
    pub fn passed(&self) -> bool {
        self.problems.is_empty()
    }
}

/// How the tests of policies went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PolicyTests {
    /// The tests, in the order of their names.
    pub tests: Vec<PolicyTest>,
}

impl PolicyTests {
    /// How many failed.
    pub fn failed(&self) -> usize {
        self.tests.iter().filter(|test| !test.passed()).count()
    }

    /// Refuses a run with a test that failed.
    ///
    /// # Errors
    /// `Failed` with how many.
    pub fn require_passed(&self) -> Result<()> {
        match self.failed() {
            0 => Ok(()),
            failed => Err(Error::new(ErrorKind::Failed, "tests of policies failed")
                .with("failed", failed)
                .with("of", self.tests.len())
                .hint("read what each says above; correct the policy or what is expected of it")),
        }
    }
}

impl fmt::Display for PolicyTests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names of folders and texts of policies may hold anything and must not break out of their line.
        let plain = |text: &str| text.replace(char::is_control, "\u{fffd}");
        for test in &self.tests {
            writeln!(f, "{:<4} {}", if test.passed() { "ok" } else { "FAIL" }, plain(&test.name))?;
            for problem in &test.problems {
                writeln!(f, "     {}", plain(problem))?;
            }
        }
        write!(f, "{} passed, {} failed", self.tests.len() - self.failed(), self.failed())
    }
}
