//! What the two processes tell each other, a line of JSON each.

use serde::{Deserialize, Serialize};

use crate::rego::limits::Limits;
use crate::rego::message::Message;
use crate::rego::policies::Policies;

/// The first line to the process that evaluates; the inputs follow, a line each.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) policies: Policies,
    pub(super) limits: Limits,
    pub(super) wanted: Wanted,
    /// Rules that broke before: they are not asked again.
    pub(super) without: Vec<String>,
}

/// Which rules are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Wanted {
    /// Those that refuse or warn, about each input.
    Judge,
    /// The tests in `*_test.rego`, once.
    Test,
}

/// A rule that can be asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Rule {
    /// `package.rule`.
    pub(super) name: String,
    /// The file it stands in, or first stands in.
    pub(super) file: String,
    pub(super) line: u32,
    pub(super) kind: Kind,
}

/// What a rule is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Kind {
    Deny,
    Warn,
    Test,
}

/// A line from the process that evaluates.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Event {
    /// It is such a process, and speaks this version.
    Hello(u32),
    /// The policies cannot be read; nothing else follows.
    Refused(String),
    /// The rules that are asked; others are called by their place in it.
    Rules(Vec<Rule>),
    /// A rule is asked about an input; what ends the process now is its fault.
    Asking { rule: usize, input: usize },
    /// It says something.
    Said { rule: usize, input: usize, messages: Vec<Message> },
    /// It could not be evaluated; it is not asked again.
    Broke { rule: usize, input: usize, why: String },
    /// An input is none that the language takes.
    Unread { input: usize, why: String },
    /// A test ended.
    Tested { rule: usize, passed: bool },
    /// Everything was asked.
    Done,
}

/// The version of these lines.
pub(super) const VERSION: u32 = 1;

/// The exit code of a process that ended itself because a rule took too long inside one of the language's functions.
pub(super) const TOO_LONG: u8 = 75;
