//! Doing again what may work the second time: only errors that say so, with growing pauses.

use std::future::Future;
use std::time::Duration;

use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result};

/// How often something is tried, and how long to wait in between.
///
/// A pause is a random part of a limit that grows with each attempt, so that many
/// callers that failed together do not come back together.
///
/// ```
/// use std::time::Duration;
/// use infra_sdk::retry::Retry;
/// let retry = Retry { attempts: 4, first: Duration::from_secs(1), factor: 3, max: Duration::from_secs(5) };
/// let limits: Vec<u64> = retry.delays().map(|delay| delay.as_secs()).collect();
/// assert_eq!(limits, [1, 3, 5]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How often it is tried in all; 0 counts as 1.
    pub attempts: u32,
    /// The longest pause after the first attempt.
    pub first: Duration,
    /// How many times longer each pause may be than the one before.
    pub factor: u32,
    /// No pause is longer.
    pub max: Duration,
}

/// Three attempts with pauses of up to half a second and one second.
impl Default for Retry {
    fn default() -> Self {
        Retry { attempts: 3, first: Duration::from_millis(500), factor: 2, max: Duration::from_secs(10) }
    }
}

impl Retry {
    /// One attempt only.
    pub fn none() -> Self {
        Retry { attempts: 1, ..Self::default() }
    }

    /// The longest pause after each attempt but the last.
    pub fn delays(&self) -> impl Iterator<Item = Duration> + use<> {
        let Retry { attempts, first, factor, max } = *self;
        std::iter::successors(Some(first.min(max)), move |delay| Some(delay.saturating_mul(factor).min(max)))
            .take(usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX))
    }

    /// Calls `attempt` with 1, 2, … until it succeeds, fails with an error that is not
    /// [retryable](Error::is_retryable), or was tried often enough.
    ///
    /// ```
    /// # use infra_sdk::{CancelToken, Error, ErrorKind, Result, retry::Retry};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<()> {
    /// let answer = Retry::default()
    ///     .run(&CancelToken::new(), |attempt| async move {
    ///         match attempt {
    ///             1 => Err(Error::new(ErrorKind::Unavailable, "ask the service").retryable()),
    ///             _ => Ok("ready"),
    ///         }
    ///     })
    ///     .await?;
    /// assert_eq!(answer, "ready");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The last error, with the number of attempts; `Cancelled` (exit code 130) as soon as
    /// `cancel` is cancelled: an attempt that is under way is then dropped.
    pub async fn run<T, F, A>(&self, cancel: &CancelToken, mut attempt: F) -> Result<T>
    where
        F: FnMut(u32) -> A,
        A: Future<Output = Result<T>>,
    {
        let mut delays = self.delays();
        let mut number = 1;
        loop {
            let error = match or_cancelled(cancel, attempt(number)).await? {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            match delays.next() {
                Some(delay) if error.is_retryable() => {
                    or_cancelled(cancel, tokio::time::sleep(part_of(delay))).await?;
                }
                _ if number > 1 => return Err(error.with("attempts", number)),
                _ => return Err(error),
            }
            number += 1;
        }
    }
}

async fn or_cancelled<T>(cancel: &CancelToken, work: impl Future<Output = T>) -> Result<T> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(Error::new(ErrorKind::Cancelled, "the run was cancelled")
            .exit_with(130)
            .hint("start the run again; what failed first stands above")),
        done = work => Ok(done),
    }
}

/// A random part of a pause; all of it when the system has no randomness to give.
pub(crate) fn part_of(delay: Duration) -> Duration {
    match crate::id::random::<4>() {
        Ok(bytes) => delay.mul_f64(f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)),
        Err(_) => delay,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn busy() -> Error {
        Error::new(ErrorKind::Unavailable, "ask").retryable()
    }

    #[test]
    fn pauses_grow_up_to_their_limit_and_never_overflow() {
        let seconds = |retry: Retry| retry.delays().map(|delay| delay.as_secs()).collect::<Vec<_>>();
        let retry =
            Retry { attempts: 5, first: Duration::from_secs(1), factor: 4, max: Duration::from_secs(20) };
        assert_eq!(seconds(retry), [1, 4, 16, 20]);
        assert_eq!(Retry::default().delays().count(), 2);
        assert!(seconds(Retry::none()).is_empty() && seconds(Retry { attempts: 0, ..retry }).is_empty());
        let wide = Retry { attempts: 99, factor: u32::MAX, max: Duration::MAX, ..retry };
        assert_eq!(wide.delays().last(), Some(Duration::MAX));
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_may_go_away_is_tried_again() {
        let (cancel, retry) = (CancelToken::new(), Retry::default());
        let calls = Cell::new(0);
        let count = |attempt: u32| calls.set(attempt);

        let done = retry.run(&cancel, |attempt| async move {
            count(attempt);
            if attempt < 3 { Err(busy()) } else { Ok(attempt) }
        });
        assert_eq!(done.await.unwrap(), 3);

        let error = retry.run(&cancel, |attempt| async move {
            count(attempt);
            Err::<(), _>(busy())
        });
        assert_eq!(error.await.unwrap_err().to_string(), "ask (attempts: 3)");
        assert_eq!(calls.get(), 3);

        let error = retry.run(&cancel, |attempt| async move {
            count(attempt);
            Err::<(), _>(Error::invalid("wrong"))
        });
        assert_eq!(error.await.unwrap_err().to_string(), "wrong");
        assert_eq!(calls.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_stay_within_their_limits() {
        let begin = tokio::time::Instant::now();
        let retry = Retry { attempts: 50, ..Retry::default() };
        retry.run(&CancelToken::new(), |_| async { Err::<(), _>(busy()) }).await.unwrap_err();
        let limit: Duration = retry.delays().sum();
        assert!(begin.elapsed() > Duration::ZERO && begin.elapsed() < limit);
    }

    #[tokio::test(start_paused = true)]
    async fn cancelling_ends_a_pause_and_an_attempt_at_once() {
        for waits_inside in [false, true] {
            let cancel = CancelToken::new();
            let retry = Retry { attempts: 9, first: Duration::MAX, factor: 1, max: Duration::MAX };
            let trying = retry.run(&cancel, |_| async move {
                if waits_inside {
                    std::future::pending::<()>().await;
                }
                Err::<(), _>(busy())
            });
            let (error, ()) = tokio::join!(trying, async {
                tokio::task::yield_now().await;
                cancel.cancel();
            });
            assert_eq!(error.unwrap_err().kind(), ErrorKind::Cancelled);
        }
    }
}
