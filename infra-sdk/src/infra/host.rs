//! The program around the library: where lines go, what is masked, when to stop.

use std::sync::Arc;
use std::time::Duration;

use crate::cancel::CancelToken;
use crate::env::INFRA_AGE_KEY;
use crate::mask::Masks;
use crate::process::{Cmd, LineSink, Stream};
use crate::secret::SecretValue;

/// Hears what a long step does, how much is done, and of how much; 0 when the end is not known.
pub type OnProgress = Arc<dyn Fn(&str, u64, u64) + Send + Sync>;

/// What the program that uses an [`Infra`](crate::infra::Infra) gives it: a place for lines, masks, a stop signal.
///
/// A task's context makes one of its own; a tool may use [`Host::silent`].
#[derive(Clone)]
pub struct Host {
    /// Where the lines of children and of long steps go.
    pub lines: Arc<dyn LineSink>,
    /// The values that are never shown.
    pub masks: Masks,
    /// Ends what is under way.
    pub cancel: CancelToken,
    /// Told of each secret value as it is read, so that a CI system learns to hide it too.
    pub on_secret: Arc<dyn Fn(&SecretValue) + Send + Sync>,
    /// Told how far a long step is: what it does, how much is done, of how much.
    pub on_progress: OnProgress,
    /// Told how long the work at hand needs to end in good order once it is cancelled.
    pub on_grace: Arc<dyn Fn(Duration) + Send + Sync>,
}

impl Host {
    /// Shows nothing, and is never cancelled.
    pub fn silent() -> Self {
        struct Nowhere;
        impl LineSink for Nowhere {
            fn line(&self, _: Stream, _: &str) {}
        }
        Host {
            lines: Arc::new(Nowhere),
            masks: Masks::new(),
            cancel: CancelToken::new(),
            on_secret: Arc::new(|_| {}),
            on_progress: Arc::new(|_, _, _| {}),
            on_grace: Arc::new(|_| {}),
        }
    }

    /// Tells one line about a step.
    pub(crate) fn tell(&self, line: &str) {
        self.lines.line(Stream::Err, &self.masks.apply(line));
    }

    /// Hides a value from here on.
    pub(crate) fn learn(&self, value: &SecretValue) {
        self.masks.add(value);
        (self.on_secret)(value);
    }

    /// Asks for time to end in good order.
    pub(crate) fn needs_grace(&self, length: Duration) {
        (self.on_grace)(length);
    }

    /// A command whose lines, masks and end are the host's.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Cmd {
        let command = Cmd::new(program).sink(self.lines.clone()).masks(self.masks.clone());
        // The key of the vault is nobody else's business.
        command.cancel(self.cancel.clone()).env_remove(INFRA_AGE_KEY)
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Host")
    }
}
