//! What people have decided about drift, kept in a file of the repo.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::config::parse_toml;
use crate::day::Day;
use crate::error::Result;
use crate::plan::glob::matches;
use crate::tree::{self, ReadOptions, refused};

/// The answers of one repo, from `infra/drift.toml`.
///
/// ```toml
/// [[answer]]
/// what = "aws_instance.tags.LastPatched"   # a type and an attribute, or an address; `*` stands for anything
/// decision = "ignore"                      # adopt: change the code; revert: apply; ignore
/// until = "2027-03-31"                     # asked again after this day
/// reason = "the patch manager writes it"
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Answers {
    /// In the order of the file; the last that fits counts.
    #[serde(default, rename = "answer")]
    pub answers: Vec<Answer>,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// `TYPE.ATTRIBUTE`, `ADDRESS` or `ADDRESS.ATTRIBUTE`; `*` stands for anything.
    pub what: String,
    /// What is to be done.
    pub decision: Decision,
    /// The last day it holds, `2027-03-31`.
    pub until: Day,
    /// Why, for whoever reads it next.
    pub reason: String,
}

/// What is to be done about drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// The world is right: the code is to be changed.
    Adopt,
    /// The code is right: an apply changes it back.
    Revert,
    /// It may stay as it is.
    Ignore,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Decision::Adopt => "adopt",
            Decision::Revert => "revert",
            Decision::Ignore => "ignore",
        })
    }
}

impl Answers {
    /// Reads the file's text; `name` stands for it in messages.
    ///
    /// # Errors
    /// `Invalid` with every place that is wrong.
    pub fn parse(text: &str, name: &str) -> Result<Self> {
        let tree = parse_toml(text, name)?;
        tree::read(&tree, ReadOptions::default()).map_err(|problems| {
            refused(format!("{name} cannot be read"), &problems).hint(
                "correct every place named above; `cargo xtask infra:drift:answer` writes one that is right",
            )
        })
    }

    /// The last answer that fits a resource and one of its attributes.
    pub fn find(&self, address: &str, kind: &str, attribute: Option<&str>) -> Option<&Answer> {
        let names = |of: &str| match attribute {
            Some(attribute) => vec![of.to_owned(), format!("{of}.{attribute}")],
            None => vec![of.to_owned()],
        };
        let candidates = [names(address), names(kind)].concat();
        self.answers.iter().rev().find(|answer| candidates.iter().any(|name| matches(&answer.what, name)))
    }
}

impl Answer {
    /// As it stands in the file.
    pub fn to_toml(&self) -> String {
        let text = |text: &str| toml::Value::String(text.to_owned()).to_string();
        format!(
            "[[answer]]\nwhat = {}\ndecision = \"{}\"\nuntil = \"{}\"\nreason = {}\n",
            text(&self.what),
            self.decision,
            self.until,
            text(&self.reason)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "[[answer]]\nwhat = \"aws_instance.tags.*\"\ndecision = \"ignore\"\nuntil = \"2027-03-31\"\nreason = \"patches\"\n";

    #[test]
    fn the_last_answer_that_fits_counts() {
        let more = "[[answer]]\nwhat = \"aws_instance.web[\\\"a\\\"]\"\ndecision = \"revert\"\nuntil = \"2027-01-01\"\nreason = \"x\"\n";
        let answers = Answers::parse(&format!("{FILE}{more}"), "drift.toml").unwrap();
        let decision = |address: &str, attribute: &str| {
            answers.find(address, "aws_instance", Some(attribute)).map(|answer| answer.decision)
        };
        assert_eq!(decision("aws_instance.db", "tags.Patched"), Some(Decision::Ignore));
        assert_eq!(decision("aws_instance.web[\"a\"]", "tags.Patched"), Some(Decision::Revert));
        assert_eq!(decision("aws_instance.db", "ami"), None);
        for (pattern, text, expected) in [
            ("*", "anything", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a", "ab", false),
            ("a*a", "a", false),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn an_answer_written_is_read_back() {
        let answer = Answer {
            what: "a[\"q\\\"\"].b".into(),
            decision: Decision::Adopt,
            until: "2027-02-28".parse().unwrap(),
            reason: "two\nlines".into(),
        };
        assert_eq!(Answers::parse(&answer.to_toml(), "x").unwrap().answers, [answer]);
    }

    #[test]
    fn what_is_wrong_in_the_file_is_named_with_its_place() {
        let wrong = FILE.replace("ignore", "forget").replace("2027-03-31", "31.3.2027");
        let report = Answers::parse(&wrong, "drift.toml").unwrap_err().report().to_string();
        assert!(report.contains("drift.toml:3:") && report.contains("drift.toml:4:"), "{report}");
        assert!(
            Answers::parse("[[anwser]]\n", "drift.toml").unwrap_err().report().to_string().contains("answer")
        );
    }
}
