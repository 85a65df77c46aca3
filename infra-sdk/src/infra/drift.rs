//! What was changed outside of Terraform, stack by stack, and what the repo has decided about it.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::file::{self, Access};
use crate::infra::open::Infra;
use crate::plan::Plan;
use crate::plan::drift::{Answer, Answers, Drift, triage};
use crate::plan::plain::plain;
use crate::time::Timestamp;

/// The exit code of drift that somebody has to decide on.
const OPEN: u8 = 2;
const LIMIT: u64 = 1_000_000;

/// The drift of several stacks.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DriftReport {
    /// The stacks, in their order.
    pub stacks: Vec<StackDrift>,
}

/// The drift of one stack.
#[derive(Clone, Debug, Serialize)]
pub struct StackDrift {
    /// The stack, or the file its plan was read from.
    pub stack: String,
    /// What was found.
    #[serde(flatten)]
    pub drift: Drift,
}

impl DriftReport {
    /// How many groups somebody has to decide on.
    pub fn open(&self) -> usize {
        self.stacks.iter().map(|stack| stack.drift.open()).sum()
    }

    /// For a scheduled run.
    ///
    /// # Errors
    /// `Failed` with exit code 2 when something is to be decided.
    pub fn require_none(&self) -> Result<()> {
        let open = self.open();
        if open == 0 {
            return Ok(());
        }
        let kinds = if open == 1 { "1 kind".to_owned() } else { format!("{open} kinds") };
        Err(Error::new(ErrorKind::Failed, format!("{kinds} of drift without an answer"))
            .hint("change the code (adopt), run `cargo xtask infra:apply` (revert), or let it be for a time (ignore)")
            .hint("keep the answer with `cargo xtask infra:drift:answer WHAT adopt|revert|ignore --until DAY --reason TEXT`")
            .exit_with(OPEN))
    }
}

impl fmt::Display for DriftReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.stacks.is_empty() {
            return f.write_str("infra.toml has no stacks for this environment");
        }
        for (index, stack) in self.stacks.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{}: {}", plain(&stack.stack), stack.drift)?;
        }
        Ok(())
    }
}

/// An answer that was written down.
#[derive(Clone, Debug, Serialize)]
pub struct Answered {
    /// The file it stands in; to be committed.
    pub file: PathBuf,
    /// The answer.
    pub answer: Answer,
}

impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Answer { what, decision, until, .. } = &self.answer;
        write!(f, "{what}: {decision} until {until}, in {}; commit it", self.file.display())
    }
}

impl Infra {
    /// Looks at every stack of this environment for what was changed outside of Terraform. Takes no lock and writes nothing.
    ///
    /// # Errors
    /// `Invalid` when the file of answers cannot be read; what Terraform fails with.
    pub async fn drift(&self) -> Result<DriftReport> {
        let (terraform, answers) = (self.terraform().await?, self.drift_answers()?);
        let mut report = DriftReport::default();
        for (name, config) in self.settings().stacks_in_order(self.environment()) {
            let plan = self.open_stack(&terraform, name, config).await?.look(&()).await?;
            let drift = triage(&plan.plan()?, &answers, Timestamp::now())?;
            report.stacks.push(StackDrift { stack: name.to_string(), drift });
        }
        Ok(report)
    }

    /// The same for a plan made elsewhere; `name` is what the report calls it.
    ///
    /// # Errors
    /// `Invalid` when the file of answers or a value of the plan cannot be read.
    pub fn drift_of(&self, name: &str, plan: &Plan<'_>) -> Result<StackDrift> {
        let drift = triage(plan, &self.drift_answers()?, Timestamp::now())?;
        Ok(StackDrift { stack: name.to_owned(), drift })
    }

    /// Writes an answer down, behind those that are there: the last that fits counts.
    ///
    /// # Errors
    /// `Invalid` when the file cannot be read as it is, or the day is over; `Denied` or `Io` when it cannot be written.
    pub fn answer_drift(&self, answer: Answer) -> Result<Answered> {
        if answer.until.is_past(Timestamp::now()) {
            return Err(Error::invalid(format!("{} is over", answer.until)).hint("name a day to come"));
        }
        if answer.reason.trim().is_empty() || answer.what.chars().all(|c| matches!(c, '*' | '.')) {
            return Err(Error::invalid("an answer says about what it is, and why")
                .hint("name a type, an attribute or an address, and give a `--reason`"));
        }
        self.drift_answers()?;
        let path = self.drift_file();
        let mut text = file::read_text(&path, LIMIT)?.unwrap_or_default();
        if text.is_empty() {
            text.push_str("# What was decided about changes made outside of Terraform; the last answer that fits counts.\n");
        } else if !text.ends_with('\n') {
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&answer.to_toml());
        file::write(&path, text.as_bytes(), Access::Shared)?;
        Ok(Answered { file: path, answer })
    }

    fn drift_answers(&self) -> Result<Answers> {
        let text = file::read_text(&self.drift_file(), LIMIT)?;
        text.map_or_else(|| Ok(Answers::default()), |text| Answers::parse(&text, "infra/drift.toml"))
    }

    fn drift_file(&self) -> PathBuf {
        self.config().root().join("infra").join("drift.toml")
    }
}
