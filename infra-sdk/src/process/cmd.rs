//! What to start and how: program, arguments, environment, limits.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::cancel::CancelToken;
use crate::mask::Masks;
use crate::process::lines::{LineSink, Stream};
use crate::secret::SecretValue;

/// A program to start.
///
/// The child inherits the environment and has an empty standard input, unless
/// told otherwise. It leads a process group of its own: when it is cancelled,
/// runs into its deadline or its future is dropped, the whole group is asked to
/// end (`TERM`), and killed after the [grace](Cmd::grace).
///
/// Arguments are shown in errors and logs. A secret goes through
/// [`env_secret`](Cmd::env_secret) or [`stdin_secret`](Cmd::stdin_secret), which
/// also mask it in what the child prints.
///
/// ```
/// use std::time::Duration;
/// use infra_sdk::Cmd;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> infra_sdk::Result<()> {
/// let version = Cmd::new("rustc").arg("--version").deadline(Duration::from_secs(60)).read().await?;
/// assert!(version.starts_with("rustc "));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Cmd {
    pub(super) program: OsString,
    pub(super) args: Vec<OsString>,
    pub(super) dir: Option<PathBuf>,
    pub(super) env: Vec<EnvChange>,
    pub(super) stdin: Stdin,
    pub(super) deadline: Option<Duration>,
    pub(super) grace: Duration,
    pub(super) end_by_interrupt: bool,
    pub(super) cancel: Option<CancelToken>,
    pub(super) masks: Masks,
    pub(super) sink: Option<Arc<dyn LineSink>>,
    pub(super) interactive: bool,
    pub(super) through_file: Option<PathBuf>,
    pub(super) capture_limit: usize,
    pub(super) taker: Option<Taker>,
}

/// Takes standard output as bytes.
pub(super) type Taker = Arc<Mutex<dyn FnMut(&[u8]) + Send>>;

/// One step from the inherited environment to the child's.
#[derive(Clone)]
pub(super) enum EnvChange {
    Clear,
    Remove(OsString),
    Set(OsString, OsString),
    SetSecret(OsString, SecretValue),
}

#[derive(Clone)]
pub(super) enum Stdin {
    Null,
    Bytes(Vec<u8>),
    Secret(SecretValue),
    Inherited,
    Beats(Duration),
}

impl Cmd {
    /// A program by name, looked up on `PATH`, or by path. A relative path with
    /// a separator counts from the folder of this process, not from [`dir`](Cmd::dir).
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Cmd {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            dir: None,
            env: Vec::new(),
            stdin: Stdin::Null,
            deadline: None,
            grace: Duration::from_secs(10),
            end_by_interrupt: false,
            cancel: None,
            masks: Masks::new(),
            sink: None,
            interactive: false,
            through_file: None,
            capture_limit: 256_000_000,
            taker: None,
        }
    }

    /// Adds an argument; never a secret.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments; never a secret.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item: AsRef<OsStr>>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Starts it in this folder.
    #[must_use]
    pub fn dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.dir = Some(dir.as_ref().to_owned());
        self
    }

    /// Sets a variable that may be seen by everybody.
    #[must_use]
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push(EnvChange::Set(key.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets a variable to a secret, which is masked in all output of the run from then on.
    #[must_use]
    pub fn env_secret(mut self, key: impl AsRef<OsStr>, value: &SecretValue) -> Self {
        self.env.push(EnvChange::SetSecret(key.as_ref().to_owned(), value.clone()));
        self
    }

    /// Takes a variable away from the child.
    #[must_use]
    pub fn env_remove(mut self, key: impl AsRef<OsStr>) -> Self {
        self.env.push(EnvChange::Remove(key.as_ref().to_owned()));
        self
    }

    /// Starts from an empty environment; what was set before is gone, too.
    #[must_use]
    pub fn env_clear(mut self) -> Self {
        self.env = vec![EnvChange::Clear];
        self
    }

    /// Feeds bytes to its standard input.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Stdin::Bytes(bytes.into());
        self
    }

    /// Feeds a secret to its standard input, which is masked in all output of the run from then on.
    #[must_use]
    pub fn stdin_secret(mut self, value: &SecretValue) -> Self {
        self.stdin = Stdin::Secret(value.clone());
        self
    }

    /// Ends it when it takes longer than this.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The time between asking the group to end and killing it; 10 seconds at first.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Asks it to end by `INT`, as Ctrl-C at a terminal does, and not by `TERM`: for programs whose helpers in
    /// the same group must live on until they are told, such as Terraform's providers.
    #[must_use]
    pub fn end_by_interrupt(mut self) -> Self {
        self.end_by_interrupt = true;
        self
    }

    /// Ends it when `cancel` is cancelled.
    #[must_use]
    pub fn cancel(mut self, cancel: CancelToken) -> Self {
        self.cancel = Some(cancel);
        self
    }

    /// Masks these values in the lines that go to the sink and into errors.
    #[must_use]
    pub fn masks(mut self, masks: Masks) -> Self {
        self.masks = masks;
        self
    }

    /// Where its lines go. Without a sink only the last lines are kept, for an error.
    #[must_use]
    pub fn sink(mut self, sink: Arc<dyn LineSink>) -> Self {
        self.sink = Some(sink);
        self
    }

    /// Lets the program write into the file at `path`, which is read as it grows, instead of into a pipe: should this
    /// process be killed, the program can still write and so end in good order. Both of its outputs then come as one.
    /// Only for [`run`](Cmd::run).
    #[must_use]
    pub fn through_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.through_file = Some(path.into());
        self
    }

    /// Sends its lines nowhere; a failure still repeats the last of them.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.sink = None;
        self
    }

    /// Sends its lines to `sink` as well as to where they go already.
    #[must_use]
    pub fn tee(mut self, sink: Arc<dyn LineSink>) -> Self {
        self.sink = Some(match self.sink {
            Some(first) => Arc::new(Tee(first, sink)),
            None => sink,
        });
        self
    }

    /// Lets values that are masked from here on be masked in this program's output alone, and not in the whole run.
    #[must_use]
    pub(crate) fn own_masks(mut self) -> Self {
        self.masks = self.masks.fork();
        self
    }

    /// Masks one more value, in all output of the run from now on.
    #[must_use]
    pub fn mask(self, value: &SecretValue) -> Self {
        self.masks.add(value);
        self
    }

    /// Lets it read this process's standard input, which must not be a terminal: in a group of its own it would be
    /// stopped there.
    #[must_use]
    pub fn pass_stdin(mut self) -> Self {
        self.stdin = Stdin::Inherited;
        self
    }

    /// Gives its standard input a byte of nothing (0) each `every`, for as long as this process lives and runs: a program
    /// that reads it learns when it is alone, by the end of it however this process ended, or by the silence of one that
    /// stands still.
    #[must_use]
    pub fn beating_stdin(mut self, every: Duration) -> Self {
        self.stdin = Stdin::Beats(every);
        self
    }

    /// Gives it this process's terminal, for programs that talk with a person. It then has no
    /// process group of its own and nothing it prints is masked or captured; only
    /// [`run`](Cmd::run) starts it.
    #[must_use]
    pub fn interactive(mut self) -> Self {
        self.interactive = true;
        self
    }
}

/// Shows the names of variables, never their values, and nothing of the input.
impl fmt::Debug for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&OsStr> = self.env.iter().filter_map(EnvChange::name).collect();
        f.debug_struct("Cmd")
            .field("program", &self.program)
            .field("args", &self.args)
            .field("dir", &self.dir)
            .field("env", &names)
            .field("deadline", &self.deadline)
            .field("interactive", &self.interactive)
            .finish_non_exhaustive()
    }
}

impl EnvChange {
    fn name(&self) -> Option<&OsStr> {
        match self {
            EnvChange::Clear => None,
            EnvChange::Remove(name) | EnvChange::Set(name, _) | EnvChange::SetSecret(name, _) => Some(name),
        }
    }
}

/// Two places for the same lines.
struct Tee(Arc<dyn LineSink>, Arc<dyn LineSink>);

impl LineSink for Tee {
    fn line(&self, stream: Stream, line: &str) {
        self.0.line(stream, line);
        self.1.line(stream, line);
    }
}
