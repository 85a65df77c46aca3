//! Whether a request is made again, and after how long.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::registry::client::OciRegistry;
use crate::retry::part_of;

/// A registry that wants to be left alone for longer is not waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// The attempts of one request.
pub(super) struct Again {
    delays: Box<dyn Iterator<Item = Duration> + Send>,
    attempts: u32,
}

impl OciRegistry {
    /// A request's attempts, none of them made.
    pub(super) fn again(&self) -> Again {
        Again { delays: Box::new(self.retry.delays()), attempts: 1 }
    }
}

impl Again {
    /// Waits until it may work.
    ///
    /// # Errors
    /// The error itself, when doing the same again would not help, or was done often enough.
    pub(super) async fn after(&mut self, error: Error) -> Result<()> {
        let asked = error.throttle().and_then(|throttle| throttle.after).unwrap_or_default();
        match self.delays.next() {
            Some(delay) if error.is_retryable() && asked <= PATIENCE => {
                tokio::time::sleep(part_of(delay).max(asked)).await;
                self.attempts += 1;
                Ok(())
            }
            _ if self.attempts > 1 => Err(error.with("attempts", self.attempts)),
            _ => Err(error),
        }
    }
}
