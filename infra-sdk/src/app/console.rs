//! Where a run reads and writes: the terminal of the process, or buffers of a test or a tool.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::app::ask::Asker;
use crate::cancel::CancelToken;
use crate::env::Env;

/// What a run is connected to.
///
/// [`App::run`](crate::App::run) uses the terminal of the process; a test or a
/// tool of your own makes one of these and calls [`App::run_with`](crate::App::run_with).
pub struct Console {
    pub(crate) env: Env,
    pub(crate) out: Box<dyn Write + Send>,
    pub(crate) err: Box<dyn Write + Send>,
    pub(crate) asker: Asker,
    pub(crate) cancel: CancelToken,
    pub(crate) of_process: bool,
}

impl Console {
    /// The standard streams of this process; its signals cancel the run.
    pub fn of_process(env: &Env) -> Self {
        Console {
            asker: if env.can_ask() { Asker::Terminal } else { Asker::Nobody },
            env: env.clone(),
            out: Box::new(std::io::stdout()),
            err: Box::new(std::io::stderr()),
            cancel: CancelToken::new(),
            of_process: true,
        }
    }

    /// Any two writers: `out` for results, `err` for all else. Nobody answers questions.
    pub fn new(env: Env, out: impl Write + Send + 'static, err: impl Write + Send + 'static) -> Self {
        Console {
            env,
            out: Box::new(out),
            err: Box::new(err),
            asker: Asker::Nobody,
            cancel: CancelToken::new(),
            of_process: false,
        }
    }

    /// Writes to memory; what was written can be read at any time.
    pub fn captured(env: Env) -> (Self, Captured) {
        let captured = Captured::default();
        (Console::new(env, captured.out.clone(), captured.err.clone()), captured)
    }

    /// Throws everything away, for measurements.
    pub fn discarding(env: Env) -> Self {
        Console::new(env, std::io::sink(), std::io::sink())
    }

    /// Says why there is no run at all.
    pub(crate) fn complain(mut self, error: &crate::error::Error) {
        // Nothing can be done about a terminal that does not take the message.
        let _ = writeln!(self.err, "error: {}", error.report());
    }

    /// Says something before there is a run.
    pub(crate) fn note(&mut self, line: &str) {
        let _ = writeln!(self.err, "{line}");
    }

    /// Answers questions with these lines, in this order, as a person at a terminal would.
    #[must_use]
    pub fn answering<A: Into<String>>(mut self, answers: impl IntoIterator<Item = A>) -> Self {
        let answers: VecDeque<String> = answers.into_iter().map(Into::into).collect();
        self.asker = Asker::Script(Arc::new(Mutex::new(answers)));
        self
    }

    /// Cancels the run when `cancel` is cancelled, as Ctrl-C does.
    #[must_use]
    pub fn cancelled_by(mut self, cancel: &CancelToken) -> Self {
        self.cancel = cancel.child();
        self
    }
}

/// What a [`Console`] wrote to memory.
#[derive(Clone, Debug, Default)]
pub struct Captured {
    pub(crate) out: Buffer,
    pub(crate) err: Buffer,
}

impl Captured {
    /// What went to standard output so far.
    pub fn stdout(&self) -> String {
        self.out.text()
    }

    /// What went to standard error so far.
    pub fn stderr(&self) -> String {
        self.err.text()
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.bytes().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
