//! Asking a person: on the terminal, from a script in tests, or an error that names the way out.

use std::collections::VecDeque;
use std::io::BufRead;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, ErrorKind, Result};
use crate::secret::SecretValue;

/// Who answers questions.
#[derive(Clone)]
pub(crate) enum Asker {
    /// A person at the terminal of this process.
    Terminal,
    /// Nobody: every question is an error.
    Nobody,
    /// Prepared lines.
    Script(Arc<Mutex<VecDeque<String>>>),
}

impl Asker {
    pub(crate) fn can_ask(&self) -> bool {
        !matches!(self, Asker::Nobody)
    }

    /// The next line of the person, without its end. The question was written before.
    pub(crate) fn line(&self) -> Result<String> {
        match self {
            Asker::Terminal => {
                let mut line = String::new();
                let length = std::io::stdin().lock().read_line(&mut line).map_err(unread)?;
                if length == 0 {
                    return Err(ended());
                }
                Ok(line.trim_end_matches(['\n', '\r']).to_owned())
            }
            Asker::Nobody => Err(nobody("a question")),
            Asker::Script(lines) => scripted(lines),
        }
    }

    /// The same without echo.
    pub(crate) fn secret(&self) -> Result<SecretValue> {
        match self {
            Asker::Terminal => rpassword::read_password().map(SecretValue::new).map_err(unread),
            Asker::Nobody => Err(nobody("a secret")),
            Asker::Script(lines) => scripted(lines).map(SecretValue::new),
        }
    }
}

/// The state of the terminal before a question: a person who is asked for a
/// secret and presses Ctrl-C would be left with a terminal that shows nothing.
pub(crate) struct TerminalState(#[cfg(unix)] Option<rustix::termios::Termios>);

impl TerminalState {
    #[cfg(unix)]
    pub(crate) fn remember() -> Self {
        TerminalState(rustix::termios::tcgetattr(std::io::stdin()).ok())
    }

    #[cfg(not(unix))]
    pub(crate) fn remember() -> Self {
        TerminalState()
    }

    pub(crate) fn restore(&self) {
        #[cfg(unix)]
        if let Some(state) = &self.0 {
            let now = rustix::termios::OptionalActions::Now;
            // All that can go wrong is that the terminal is gone.
            let _ = rustix::termios::tcsetattr(std::io::stdin(), now, state);
        }
    }
}

fn scripted(lines: &Mutex<VecDeque<String>>) -> Result<String> {
    lines.lock().unwrap_or_else(PoisonError::into_inner).pop_front().ok_or_else(ended)
}

fn unread(error: std::io::Error) -> Error {
    match error.kind() {
        // A signal came in between: the run is about to be cancelled.
        std::io::ErrorKind::Interrupted => Error::new(ErrorKind::Cancelled, "the question was cancelled"),
        std::io::ErrorKind::UnexpectedEof => ended(),
        _ => Error::new(ErrorKind::Io, "read an answer from the terminal")
            .because(error)
            .hint("run it in a terminal, or give the answer by a flag or a variable of the task"),
    }
}

fn ended() -> Error {
    Error::new(ErrorKind::Denied, "the input ended before the question was answered")
        .hint("run it in a terminal and type an answer")
}

/// The error where there is nobody to ask.
pub(crate) fn nobody(what: &str) -> Error {
    Error::new(ErrorKind::Denied, format!("there is no terminal to ask {what} on"))
        .hint("run it in a terminal, or give the answer by a flag or a variable of the task")
}
