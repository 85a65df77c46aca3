//! Asking a second process, and asking another one without the rule that ended it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::cancel::CancelToken;
use crate::env::{Env, INFRA_POLICY_PROCESS};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::judge::{Finding, Findings, PolicyTest};
use crate::plan::{Plan, Veil};
use crate::process::{Cmd, LineSink, Stream};
use crate::rego::answer::Answer;
use crate::rego::child::ASKED;
use crate::rego::input::{About, Input, inputs};
use crate::rego::limits::Limits;
use crate::rego::policies::Policies;
use crate::rego::talk::{Job, TOO_LONG, Wanted};
use crate::time::human;

/// Evaluates policies in processes of their own, each a copy of the running program.
#[derive(Clone, Debug)]
pub struct Evaluator {
    program: PathBuf,
    folder: PathBuf,
    /// Windows starts hardly anything without the variable of this name.
    system_root: Option<PathBuf>,
    limits: Limits,
    cancel: CancelToken,
}

impl Evaluator {
    /// Evaluates in copies of the program that `env` was read in, which calls
    /// [`evaluate_if_asked`](crate::rego::evaluate_if_asked) first.
    ///
    /// # Errors
    /// `Unavailable` when the platform does not tell where the program is; `Bug` in a copy that did not understand that
    /// it is one: it would start copies without end.
    pub fn new(env: &Env) -> Result<Self> {
        if env.get(INFRA_POLICY_PROCESS).is_some() {
            return Err(Error::new(
                ErrorKind::Bug,
                "a process that evaluates policies was asked to start another",
            )
            .hint("call `infra_sdk::rego::evaluate_if_asked` first in `main`, before arguments are read"));
        }
        let program = env.program().ok_or_else(|| {
            Error::new(ErrorKind::Unavailable, "the platform does not tell where this program is")
                .hint("start it by its full path")
        })?;
        Ok(Evaluator {
            program: program.to_owned(),
            folder: env.cwd().to_owned(),
            system_root: env.path("SystemRoot"),
            limits: Limits::default(),
            cancel: CancelToken::new(),
        })
    }

    /// Other limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Ends with the run it belongs to.
    #[must_use]
    pub fn cancel(mut self, cancel: CancelToken) -> Self {
        self.cancel = cancel;
        self
    }

    /// Asks every rule named `deny…`, `violation…` or `warn…` about every changed resource and about the whole plan.
    /// A rule that cannot be evaluated within its limits becomes a finding of its own, an error, and the others are asked
    /// all the same.
    ///
    /// # Errors
    /// `Invalid` with file, line and column when a policy cannot be read; `NotFound` when there is no rule to ask;
    /// `TimedOut` when all of them together take too long; `Bug` when the program is none that evaluates policies.
    pub async fn judge(&self, policies: &Policies, plan: &Plan<'_>, about: &About) -> Result<Findings> {
        let veil = Veil::of(plan)?;
        let mut inputs = inputs(plan, about, &veil)?;
        let mut job = self.job(policies.without_tests(), Wanted::Judge);
        let (began, mut findings) = (Instant::now(), Vec::<Finding>::new());
        loop {
            let answer = self.round(&job, &inputs, began).await?;
            findings.extend(answer.findings(&inputs, &veil));
            if answer.rules.as_ref().is_some_and(Vec::is_empty) {
                return Err(Error::not_found("the policies have no rule that could refuse anything")
                    .hint("name rules `deny` or `warn`: `deny contains msg if { … }`"));
            }
            match answer.stopped_at() {
                None => return Ok(Findings::new(findings)),
                Some((rule, input)) => {
                    job.without.push(rule.name);
                    // What came before is known; the resource itself is asked about again, and what is said twice counts once.
                    inputs.drain(..input);
                }
            }
        }
    }

    /// Runs the rules named `test_…`.
    ///
    /// # Errors
    /// As [`judge`](Evaluator::judge), but it is no error that there is none.
    pub(super) async fn tests(&self, policies: &Policies) -> Result<Vec<PolicyTest>> {
        let inputs = [Input { address: None, json: "{}".into() }];
        let mut job = self.job(policies.clone(), Wanted::Test);
        let (began, mut tests) = (Instant::now(), Vec::<PolicyTest>::new());
        loop {
            let answer = self.round(&job, &inputs, began).await?;
            let broken = answer.broken_tests();
            for (index, rule) in answer.rules.iter().flatten().enumerate() {
                let name = format!("{} ({}:{})", rule.name, rule.file, rule.line);
                let problem = match (answer.tested.get(&index), broken.get(&index)) {
                    (Some(true), _) => None,
                    (Some(false), _) => Some("it is not true".to_owned()),
                    (None, Some(why)) => Some(why.clone()),
                    // It is asked in another round, or was.
                    (None, None) => continue,
                };
                tests.retain(|known| known.name != name);
                tests.push(PolicyTest { name, problems: problem.into_iter().collect() });
            }
            match answer.stopped_at() {
                None => return Ok(tests),
                Some((rule, _)) => job.without.push(rule.name),
            }
        }
    }

    fn job(&self, policies: Policies, wanted: Wanted) -> Job {
        Job { policies, limits: self.limits, wanted, without: Vec::new() }
    }

    /// One process from its start to its end. When a rule ended it, the answer says which.
    async fn round(&self, job: &Job, inputs: &[Input], began: Instant) -> Result<Answer> {
        let left = self.limits.total.saturating_sub(began.elapsed());
        let mut asked = serde_json::to_string(job)
            .map_err(|error| Error::new(ErrorKind::Bug, "write a job of policies").because(error))?;
        for input in inputs {
            asked.push('\n');
            asked.push_str(&input.json);
        }
        asked.push('\n');
        let answer = Arc::new(Mutex::new(Answer::default()));
        let last = Arc::new(Last::default());
        let hears = answer.clone();
        let mut cmd = Cmd::new(&self.program)
            .arg(ASKED)
            .dir(&self.folder)
            // A policy has no business with the environment, which may hold credentials.
            .env_clear()
            .env(INFRA_POLICY_PROCESS, "1")
            .stdin(asked)
            .sink(last.clone())
            .cancel(self.cancel.child())
            .grace(Duration::from_millis(100))
            .deadline(left.max(Duration::from_millis(1)));
        if let Some(root) = self.system_root.as_ref() {
            cmd = cmd.env("SystemRoot", root);
        }
        let ended = cmd
            .fold((), move |(), bytes| hears.lock().unwrap_or_else(PoisonError::into_inner).push(bytes))
            .await;
        let mut answer = std::mem::take(&mut *answer.lock().unwrap_or_else(PoisonError::into_inner));
        let Err(error) = ended else {
            answer.check()?;
            if !answer.is_done() {
                return Err(Error::new(
                    ErrorKind::Bug,
                    "the process that evaluates policies ended without an answer",
                )
                .hint("run the same command again, and report this if it happens again"));
            }
            return Ok(answer);
        };
        match error.kind() {
            ErrorKind::TimedOut => return Err(self.took_too_long(&answer)),
            ErrorKind::Failed => {}
            _ => return Err(error),
        }
        answer.check()?;
        if answer.stopped_at().is_none() {
            // It ended before any rule was asked: reading the policies was too much.
            return Err(Error::invalid("the policies could not be prepared")
                .because(self.why(&error, &last))
                .hint("look for a rule without a body that computes something large"));
        }
        answer.blame(self.why(&error, &last));
        Ok(answer)
    }

    /// Why the process ended, as far as it shows.
    fn why(&self, error: &Error, last: &Last) -> String {
        let text = last.0.lock().unwrap_or_else(PoisonError::into_inner);
        if error.exit_code() == Some(TOO_LONG) {
            format!("it took longer than {}", human(self.limits.each))
        } else if text.contains("memory allocation") || text.contains("out of memory") {
            format!("it needed more than {} MiB of memory", self.limits.memory >> 20)
        } else if text.contains("overflowed its stack") {
            "it nests too deep".to_owned()
        } else {
            "it ended the process that evaluated it".to_owned()
        }
    }

    fn took_too_long(&self, answer: &Answer) -> Error {
        let error = Error::new(ErrorKind::TimedOut, "the policies took too long")
            .with("limit", human(self.limits.total))
            .hint("make the rules faster, or split the plan");
        match answer.stopped_at() {
            Some((rule, _)) => error.with("last rule", rule.name).with("file", rule.file),
            None => error,
        }
    }
}

/// The last words of the process: why it was ended stands there.
#[derive(Default)]
struct Last(Mutex<String>);

impl LineSink for Last {
    fn line(&self, _: Stream, line: &str) {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if text.len() < 4_000 {
            text.push_str(line);
            text.push('\n');
        }
    }
}
