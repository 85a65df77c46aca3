//! A stream of lines that may go away.

use std::io::Write;

use crate::error::{Error, ErrorKind, Result};

/// A stream that may go away: after that, lines for it are dropped.
pub(crate) struct Sink {
    to: Box<dyn Write + Send>,
    closed: bool,
    lost: Option<std::io::Error>,
}

impl Sink {
    pub(crate) fn new(to: Box<dyn Write + Send>) -> Self {
        Sink { to, closed: false, lost: None }
    }

    pub(crate) fn write(&mut self, text: &str) {
        if self.closed {
            return;
        }
        if let Err(error) = self.to.write_all(text.as_bytes()).and_then(|()| self.to.flush()) {
            self.closed = true;
            // `| head` closes the pipe early: no reason to fail. A full disk is one.
            self.lost = Some(error).filter(|error| error.kind() != std::io::ErrorKind::BrokenPipe);
        }
    }

    /// Whether everything was written or somebody closed the stream on purpose.
    ///
    /// # Errors
    /// `Io` when something was lost.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.lost.take() {
            None => Ok(()),
            Some(error) => Err(Error::new(ErrorKind::Io, "write the results to standard output")
                .because(error)
                .hint("make room where standard output goes, then run it again")),
        }
    }
}
