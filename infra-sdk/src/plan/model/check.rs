//! The checks of a plan: conditions the code states about itself.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::plan::json::Text;

/// One `check` block, or the conditions of one resource, output or variable. A failing one stops no plan.
#[derive(Debug)]
pub struct Check<'a> {
    /// What is checked, as Terraform shows it: `check.health`, `aws_vpc.main`.
    pub name: Text<'a>,
    /// What came of it, all instances together.
    pub status: CheckStatus,
    /// What failed. The messages may hold secrets.
    pub problems: Vec<Problem<'a>>,
}

/// One failed condition.
#[derive(Debug)]
pub struct Problem<'a> {
    /// The instance.
    pub instance: Text<'a>,
    /// What the code says about it.
    pub message: Text<'a>,
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckStatus {
    /// It holds.
    Pass,
    /// It does not hold.
    Fail,
    /// It could not be evaluated.
    Error,
    /// It can be told only after the apply.
    Unknown,
}

impl CheckStatus {
    fn of(text: &str) -> Self {
        match text {
            "pass" => CheckStatus::Pass,
            "fail" => CheckStatus::Fail,
            "error" => CheckStatus::Error,
            _ => CheckStatus::Unknown,
        }
    }
}

impl fmt::Display for CheckStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            CheckStatus::Pass => "pass",
            CheckStatus::Fail => "fail",
            CheckStatus::Error => "error",
            CheckStatus::Unknown => "unknown",
        })
    }
}

#[derive(Default, Deserialize)]
struct WireAddress<'a> {
    #[serde(borrow, default)]
    to_display: Text<'a>,
}

#[derive(Deserialize)]
struct WireCheck<'a> {
    #[serde(borrow, default)]
    address: WireAddress<'a>,
    #[serde(borrow, default)]
    status: Text<'a>,
    #[serde(borrow)]
    instances: Option<Vec<WireInstance<'a>>>,
}

#[derive(Deserialize)]
struct WireInstance<'a> {
    #[serde(borrow, default)]
    address: WireAddress<'a>,
    #[serde(borrow)]
    problems: Option<Vec<WireProblem<'a>>>,
}

#[derive(Deserialize)]
struct WireProblem<'a> {
    #[serde(borrow, default)]
    message: Text<'a>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Check<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = WireCheck::deserialize(deserializer)?;
        let mut problems = Vec::new();
        for instance in wire.instances.unwrap_or_default() {
            for problem in instance.problems.unwrap_or_default() {
                problems.push(Problem {
                    instance: instance.address.to_display.clone(),
                    message: problem.message,
                });
            }
        }
        Ok(Check { name: wire.address.to_display, status: CheckStatus::of(&wire.status), problems })
    }
}
