//! The ways to run a command: watch it, read it, look at how it ended, or leave it running.

use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::error::{Error, ErrorKind, Result};
use crate::process::cmd::{Cmd, EnvChange, Stdin};
use crate::process::detached::{self, Detached};
use crate::process::failure::{self, What};
use crate::process::output::{Finished, Wanted, lock};
use crate::process::run::supervised;

impl Cmd {
    /// Runs it to its end; its lines go to the sink as they come, masked.
    ///
    /// # Errors
    /// - `NotFound` when the program or its folder is not there, `Denied` or `Invalid` when it cannot be executed;
    /// - `Failed` when it exits with anything but 0, with its last lines; the error
    ///   asks for the same exit code, or 128 and the number of the signal that ended it;
    /// - `TimedOut` (exit code 124) after its deadline, `Cancelled` (exit code 130) when it was cancelled;
    /// - `Unavailable` when the system has no room for another process.
    pub async fn run(self) -> Result<()> {
        let what = self.learn();
        let ended = supervised(self, Wanted::Lines).await?;
        failure::check(&what, &ended)
    }

    /// Runs it to its end and gives back its standard output as it is, not masked, without
    /// the newline at its end. Its error lines go to the sink.
    ///
    /// # Errors
    /// As [`run`](Cmd::run), and `Invalid` when the output is not UTF-8 or larger than 256 MB.
    pub async fn read(self) -> Result<String> {
        let what = self.learn();
        let mut ended = supervised(self.not_interactive("read")?, Wanted::Stdout).await?;
        failure::check(&what, &ended)?;
        let mut text = String::from_utf8(std::mem::take(&mut ended.stdout)).map_err(|_| {
            what.error(ErrorKind::Invalid, "program printed something that is not UTF-8 text")
                .hint("let it write text, or let it write to a file and read that")
        })?;
        if text.ends_with('\n') {
            text.pop();
            if text.ends_with('\r') {
                text.pop();
            }
        }
        Ok(text)
    }

    /// Runs it to its end and gives back all it printed, not masked. Any exit code is fine:
    /// the caller looks at [`Finished::code`].
    ///
    /// # Errors
    /// As [`run`](Cmd::run) but for `Failed`, and `Invalid` when the output is larger than 256 MB.
    pub async fn output(self) -> Result<Finished> {
        let what = self.learn();
        let ended = supervised(self.not_interactive("output")?, Wanted::Both).await?;
        failure::check_stopped(&what, &ended)?;
        Ok(Finished::of(ended))
    }

    /// Runs it to its end and gives its standard output, as the bytes they are and not masked, to `take` piece by piece as
    /// they come; gives back what `take` made of `state`. For more output than fits into memory, and for what is no text.
    /// Its error lines go to the sink.
    ///
    /// `take` is called on a thread of the program's own; a slow one slows the program down.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> infra_sdk::Result<()> {
    /// let count = |bytes: &mut usize, piece: &[u8]| *bytes += piece.len();
    /// assert!(infra_sdk::Cmd::new("rustc").arg("--version").fold(0, count).await? > 10);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`run`](Cmd::run), and `Unavailable` when the output could not be read to its end.
    pub async fn fold<S: Send + 'static>(
        mut self,
        state: S,
        mut take: impl FnMut(&mut S, &[u8]) + Send + 'static,
    ) -> Result<S> {
        let what = self.learn();
        let shared = Arc::new(Mutex::new(Some(state)));
        let state = shared.clone();
        self.taker = Some(Arc::new(Mutex::new(move |piece: &[u8]| {
            if let Some(state) = lock(&state).as_mut() {
                take(state, piece);
            }
        })));
        let ended = supervised(self.not_interactive("fold")?, Wanted::Stdout).await?;
        failure::check(&what, &ended)?;
        let state = lock(&shared).take();
        match state {
            Some(state) if ended.whole => Ok(state),
            _ => Err(what
                .error(ErrorKind::Unavailable, "the output of a program was not read to its end")
                .hint("run the same command again")
                .retryable()),
        }
    }

    /// Starts a program that outlives this one: a process group of its own, an empty standard
    /// input, and a log file for all it prints. The file is readable by its owner only and not
    /// masked. Deadline, cancel token and sink do not apply.
    ///
    /// # Errors
    /// `NotFound`, `Denied`, `Invalid` or `Unavailable` as [`run`](Cmd::run) when it cannot be started;
    /// `Denied` or `Io` when the log file cannot be written.
    pub fn start_detached(self, log: &Path) -> Result<Detached> {
        if !matches!(self.stdin, Stdin::Null) {
            return Err(Error::new(ErrorKind::Bug, "a detached program has no standard input")
                .hint("pass the value in the environment or in a file"));
        }
        detached::start(&self.not_interactive("start_detached")?, log)
    }

    /// Masks its secrets from now on.
    fn learn(&self) -> What {
        for change in &self.env {
            if let EnvChange::SetSecret(_, value) = change {
                self.masks.add(value);
            }
        }
        if let Stdin::Secret(value) = &self.stdin {
            self.masks.add(value);
        }
        What::of(self)
    }

    fn not_interactive(self, verb: &str) -> Result<Self> {
        if self.interactive {
            return Err(Error::new(
                ErrorKind::Bug,
                format!("an interactive program cannot be used with `{verb}`"),
            )
            .hint("start it with `run`, or leave out `interactive`"));
        }
        Ok(self)
    }
}
