//! Waiting until something is written, without asking again and again.

use std::time::Duration;

use async_nats::Subscriber;
use futures_util::stream::{SelectAll, StreamExt};
use futures_util::{FutureExt, Stream};
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::nats::runs::link::Link;

/// What is heard is on its way to the stream, and not yet in it: so it is looked after a moment, and again.
const ECHOES: [Duration; 3] =
    [Duration::from_millis(2), Duration::from_millis(20), Duration::from_millis(200)];
/// How long it takes at most until somebody looks who heard nothing: a server may drop what a slow reader does not take,
/// and another domain's are not heard at all.
const LOOK: Duration = Duration::from_secs(5);

/// Hears that something is being written at some subjects. Hearing costs the server one message a write, and nothing
/// while nothing is written.
pub(super) struct Wake {
    link: Link,
    heard: SelectAll<Subscriber>,
    until: Instant,
    echo: usize,
}

impl Wake {
    /// Listens from now on, for at most `wait`.
    ///
    /// # Errors
    /// `Unavailable` when the connection was closed for good.
    pub(super) async fn on(link: &Link, subjects: &[String], wait: Duration) -> Result<Self> {
        let mut heard = SelectAll::new();
        if !wait.is_zero() {
            for subject in subjects {
                heard.push(link.client.subscribe(subject.clone()).await.map_err(|error| {
                    Error::new(ErrorKind::Unavailable, "listen to NATS").because(error).retryable()
                })?);
            }
        }
        let now = Instant::now();
        // A wait that is longer than any clock counts is one for a year.
        let until = now.checked_add(wait).unwrap_or_else(|| now + Duration::from_secs(365 * 86_400));
        Ok(Wake { link: link.clone(), heard, until, echo: ECHOES.len() })
    }

    /// Waits until it is worth to look; `false` when the time was over before.
    pub(super) async fn next(&mut self) -> bool {
        let now = Instant::now();
        if now >= self.until {
            return false;
        }
        let pause = ECHOES.get(self.echo).copied().unwrap_or(LOOK);
        tokio::select! {
            biased;
            Some(_) = self.heard.next() => {
                tokio::time::sleep(ECHOES[0]).await;
                while drained(&mut self.heard) {}
                self.echo = 1;
            }
            () = self.link.reconnected() => self.echo = 0,
            () = tokio::time::sleep_until((now + pause).min(self.until)) => self.echo = self.echo.saturating_add(1),
        }
        true
    }
}

/// Takes one message if there is one now.
fn drained(heard: &mut (impl Stream + Unpin)) -> bool {
    heard.next().now_or_never().flatten().is_some()
}
