//! Looking at a store, again where that may help.

use std::time::Duration;

use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result};
use crate::retry::Retry;
use crate::secrets::store::{Listing, Mark, SecretStore};

/// The longest a look waits when a store asks for it; nothing was written yet, so coming back later costs nothing.
const LONGEST: Duration = Duration::from_secs(60);

/// Looks; what may go away is tried again.
///
/// # Errors
/// What the store failed with; `Cancelled`.
pub(super) async fn look(
    store: &dyn SecretStore,
    since: Option<&Mark>,
    cancel: &CancelToken,
) -> Result<Listing> {
    let mut delays = Retry::default().delays();
    loop {
        let error = match store.look(since).await {
            Ok(Listing::Unchanged) if since.is_none() => return Err(unasked(store)),
            Ok(listing) => return Ok(listing),
            Err(error) => error,
        };
        let asked = error.throttle().and_then(|throttle| throttle.after);
        match delays.next() {
            Some(delay) if error.is_retryable() && asked.is_none_or(|asked| asked <= LONGEST) => {
                pause(asked.unwrap_or(delay), cancel).await?;
            }
            _ => return Err(error),
        }
    }
}

/// Waits, unless the run is cancelled.
///
/// # Errors
/// `Cancelled`.
pub(super) async fn pause(wait: Duration, cancel: &CancelToken) -> Result<()> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(cancelled()),
        () = tokio::time::sleep(wait) => Ok(()),
    }
}

pub(super) fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "the sync was cancelled")
        .exit_with(130)
        .hint("sync again: it continues where it stopped")
}

fn unasked(store: &dyn SecretStore) -> Error {
    Error::new(ErrorKind::Bug, "a store answered `unchanged` without a mark")
        .with("store", store.name())
        .hint("please report this")
}
