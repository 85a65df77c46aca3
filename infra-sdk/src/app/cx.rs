//! What a body gets: where it works, how it starts programs, and how it talks.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;

use crate::app::ask::{self, Asker, TerminalState};
use crate::app::cx_test::CxBuilder;
use crate::app::environment::Environment;
use crate::app::github;
use crate::app::lane::Lane;
use crate::app::output::Output;
use crate::app::service::OpenServices;
use crate::cancel::CancelToken;
use crate::env::Env;
use crate::error::{Error, ErrorKind, Result};
use crate::mask::Masks;
use crate::names::EnvName;
use crate::process::{Cmd, LineSink, Stream};
use crate::secret::SecretValue;

/// The context of one running task. Clones are cheap and mean the same task.
///
/// ```
/// use infra_sdk::{Cx, Result};
/// async fn build(cx: Cx) -> Result<()> {
///     cx.say(format!("building for {}", cx.environment()));
///     cx.cmd("cargo").args(["build", "--release"]).run().await?;
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Cx(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    lane: Arc<Lane>,
    token: CancelToken,
    /// In milliseconds; it only grows.
    grace: AtomicU64,
}

/// What all tasks of one invocation share.
pub(crate) struct Shared {
    pub(crate) root: PathBuf,
    pub(crate) env: Env,
    pub(crate) environment: Environment,
    pub(crate) dry_run: bool,
    pub(crate) output: Arc<Output>,
    pub(crate) asker: Asker,
    /// One question at a time.
    pub(crate) asking: tokio::sync::Mutex<()>,
    pub(crate) services: OpenServices,
    /// The longest grace any task asked for, in milliseconds.
    pub(crate) longest_grace: AtomicU64,
}

impl Cx {
    pub(crate) fn new(shared: Arc<Shared>, lane: Arc<Lane>, token: CancelToken, grace: Duration) -> Self {
        let grace = AtomicU64::new(millis(grace));
        Cx(Arc::new(Inner { shared, lane, token, grace }))
    }

    /// Starts a context for testing a body on a folder, without an app.
    ///
    /// ```
    /// # use infra_sdk::{Cx, Result};
    /// # async fn greet(cx: Cx) -> Result<()> { cx.say("hello"); Ok(()) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<()> {
    /// let (cx, seen) = Cx::test("/tmp").build();
    /// greet(cx).await?;
    /// assert_eq!(seen.stdout(), "hello\n");
    /// # Ok(())
    /// # }
    /// ```
    pub fn test(root: impl Into<PathBuf>) -> CxBuilder {
        CxBuilder::new(root.into())
    }

    /// The folder tasks work in: usually the root of the repo.
    pub fn root(&self) -> &Path {
        &self.0.shared.root
    }

    /// The environment variables and terminals of the process.
    pub fn env(&self) -> &Env {
        &self.0.shared.env
    }

    /// The environment to work on, chosen by `--env`.
    pub fn environment(&self) -> &EnvName {
        self.0.shared.environment.name()
    }

    /// Whether the environment is protected.
    pub fn is_protected(&self) -> bool {
        self.0.shared.environment.is_protected()
    }

    /// The name of this task.
    pub fn task(&self) -> &str {
        &self.0.lane.name
    }

    /// Whether this task was asked for by name, and does not only run because another waits for it. A task that is asked for
    /// tells everything; where it is merely waited for, one line is enough. With [`Cx::test`] it is asked for.
    ///
    /// ```
    /// # use infra_sdk::{Cx, Result};
    /// # async fn check(cx: Cx) -> Result<()> {
    /// cx.say(if cx.is_requested() { "all is well:\n  3 rules hold" } else { "all is well" });
    /// # Ok(())
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<()> {
    /// # let (cx, seen) = Cx::test("/tmp").build();
    /// # check(cx).await?;
    /// # assert_eq!(seen.stdout(), "all is well:\n  3 rules hold\n");
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_requested(&self) -> bool {
        self.0.lane.requested
    }

    /// A program that starts in [`root`](Cx::root), ends when this task is
    /// cancelled, and prints into this task's lines, masked.
    pub fn cmd(&self, program: impl AsRef<std::ffi::OsStr>) -> Cmd {
        Cmd::new(program)
            .dir(self.root())
            .grace(self.grace())
            .cancel(self.0.token.clone())
            .masks(self.masks().clone())
            .sink(self.0.lane.clone())
    }

    pub(crate) fn forget_reports(&self) {
        self.0.lane.forget_reports();
    }

    /// How long this task and its programs have to end once they were told to.
    pub fn grace(&self) -> Duration {
        Duration::from_millis(self.0.grace.load(Ordering::Relaxed))
    }

    /// Asks for at least this much time to end from now on, for work that must not be cut off in the middle.
    pub fn needs_grace(&self, length: Duration) {
        self.0.grace.fetch_max(millis(length), Ordering::Relaxed);
        self.0.shared.longest_grace.fetch_max(millis(length), Ordering::Relaxed);
    }

    /// Where lines of this task go, for a program that was not made by [`cmd`](Cx::cmd).
    pub fn sink(&self) -> Arc<dyn LineSink> {
        self.0.lane.clone()
    }

    /// Writes a line of this task to standard output; to standard error with `--output json`.
    pub fn say(&self, text: impl Display) {
        self.0.lane.line(Stream::Out, &text.to_string());
    }

    /// Writes a line of this task to standard error.
    pub fn warn(&self, text: impl Display) {
        self.0.lane.line(Stream::Err, &format!("warning: {text}"));
    }

    /// Gives the result of this task to whoever asked for it: as text on standard
    /// output, or with `--output json` as one document, alone on standard output.
    ///
    /// Several reports of one task become a list. Those of a task that only ran
    /// because another waited for it are lines among others, and not in the document.
    pub fn report<T: Serialize + Display + ?Sized>(&self, value: &T) {
        self.0.lane.report(value);
    }

    /// Gives a result as [`report`](Cx::report) does, for large documents and for exact numbers: `text` makes the text, and
    /// `json` the JSON, of which only the one that is asked for is made. The JSON is written as it is: mask its texts.
    ///
    /// # Errors
    /// What the one that was called fails with; `Bug` when it made no JSON.
    pub fn report_either(
        &self,
        text: impl FnOnce() -> Result<String>,
        json: impl FnOnce() -> Result<String>,
    ) -> Result<()> {
        if !self.0.shared.output.json {
            self.report(&text()?);
            return Ok(());
        }
        let json = serde_json::value::RawValue::from_string(json()?.trim().to_owned()).map_err(|error| {
            Error::new(ErrorKind::Bug, "a report is no JSON")
                .because(error.to_string())
                .hint("please report this")
        })?;
        self.0.lane.report_json(json);
        Ok(())
    }

    /// Adds Markdown to the page that GitHub Actions shows for this step, masked; elsewhere it does nothing. A page that
    /// cannot be written is a warning.
    pub fn step_summary(&self, markdown: &str) {
        let output = &self.0.shared.output;
        if output.github
            && !github::append_summary(self.env(), &format!("{}\n", output.masks.apply(markdown)))
        {
            self.warn("the page of the step cannot be written");
        }
    }

    /// Shows how far long work is: a line that is redrawn on a terminal, now and
    /// then a plain one elsewhere. A `total` of 0 means that the end is not known.
    pub fn progress(&self, label: &str, done: u64, total: u64) {
        self.0.lane.progress(label, done, total);
    }

    /// Shows a few lines, such as a table, at the bottom of a terminal and redraws them there; `None` takes them away. Says
    /// whether there is a terminal: elsewhere, tell what changed as lines.
    pub fn board(&self, text: Option<&str>) -> bool {
        self.0.lane.board(text)
    }

    /// Masks `value` from now on in everything this run prints; in GitHub Actions
    /// also in everything that later steps print.
    pub fn secret(&self, value: &SecretValue) {
        self.masks().add(value);
        if self.0.shared.output.github {
            github::add_mask(value).iter().for_each(|line| self.0.shared.output.command(line, false));
        }
    }

    /// The values masked in this run.
    pub fn masks(&self) -> &Masks {
        &self.0.shared.output.masks
    }

    /// Cancelled when this task should stop; hand it to everything that waits.
    pub fn cancel_token(&self) -> &CancelToken {
        &self.0.token
    }

    /// Whether this is a `--dry-run`: then only bodies run that
    /// promised to change nothing ([`read_only`](crate::app::TaskBuilder::read_only)) or to plan
    /// ([`plans`](crate::app::TaskBuilder::plans)).
    pub fn is_dry_run(&self) -> bool {
        self.0.shared.dry_run
    }

    /// Whether a person is there to answer questions.
    pub fn can_ask(&self) -> bool {
        self.0.shared.asker.can_ask()
    }

    /// Asks a question and waits for a line.
    ///
    /// # Errors
    /// `Denied` where nobody can be asked or the input ended, `Cancelled` when the task was.
    pub async fn ask(&self, question: &str) -> Result<String> {
        self.answer(question, Asker::line).await
    }

    /// The same without echo; the answer is masked from then on.
    ///
    /// # Errors
    /// As [`ask`](Cx::ask).
    pub async fn ask_secret(&self, question: &str) -> Result<SecretValue> {
        let value = self.answer(question, Asker::secret).await?;
        self.secret(&value);
        Ok(value)
    }

    async fn answer<T: Send + 'static>(&self, question: &str, read: fn(&Asker) -> Result<T>) -> Result<T> {
        let shared = &self.0.shared;
        if !shared.asker.can_ask() {
            return Err(ask::nobody(&format!("{question:?}")));
        }
        let _turn = shared.asking.lock().await;
        shared.output.prompt(&format!("{question}:"));
        let asker = shared.asker.clone();
        let terminal = TerminalState::remember();
        let answer = tokio::task::spawn_blocking(move || read(&asker));
        tokio::select! {
            answer = answer => answer.unwrap_or_else(|error| {
                Err(Error::new(ErrorKind::Bug, "asking a question failed").because(error))
            }),
            () = self.0.token.cancelled() => {
                terminal.restore();
                Err(Error::new(ErrorKind::Cancelled, "the question was cancelled"))
            }
        }
    }

    /// A shared value by its type, as provided by [`App::provide`](crate::App::provide).
    ///
    /// # Errors
    /// What making it fails with; `Bug` when nothing of that type was provided.
    pub fn service<T: Send + Sync + 'static>(&self) -> Result<Arc<T>> {
        self.0.shared.services.get(self)
    }
}

pub(crate) fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}
