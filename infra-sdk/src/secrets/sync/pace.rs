//! How often a service may be written to: a rate that halves when it complains, and recovers slowly.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result};
use crate::secrets::sync::look::{cancelled, pause};

/// The longest single wait that a service may ask for.
pub(super) const LONGEST: Duration = Duration::from_secs(5 * 60);
/// The longest that a sync waits in all because a service asked for it.
pub(super) const LONGEST_IN_ALL: Duration = Duration::from_secs(15 * 60);
/// The first wait where a service does not say how long; each further one is twice as long.
const UNSAID: Duration = Duration::from_secs(10);
/// Where a service has no documented rate and complains all the same.
const CAREFUL: f64 = 1.0;
/// Writes a second below which there is nothing to halve.
const SLOWEST: f64 = 1.0 / 60.0;
/// What each write that went well adds to the rate.
const RECOVERY: f64 = 1.05;

/// The pace of write requests to one service, shared by all targets there.
#[derive(Debug)]
pub(super) struct Pace(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    /// Writes a second that were promised to work.
    start: Option<f64>,
    rate: Option<f64>,
    /// When the next request may be made.
    next: Instant,
    /// Until when the service wants to be left alone.
    hold: Instant,
    unsaid: Duration,
    waited: Duration,
}

impl Pace {
    /// So many writes a second to start with; `None` for no limit.
    pub(super) fn new(start: Option<f64>) -> Self {
        let now = Instant::now();
        let inner =
            Inner { start, rate: start, next: now, hold: now, unsaid: UNSAID, waited: Duration::ZERO };
        Pace(Mutex::new(inner))
    }

    /// Waits until the next request may be made, and takes that place.
    ///
    /// # Errors
    /// `Cancelled`.
    pub(super) async fn turn(&self, cancel: &CancelToken) -> Result<()> {
        let wait = self.with(|inner, now| {
            let at = inner.next.max(now);
            inner.next = at + inner.interval();
            at - now
        });
        if wait > Duration::ZERO {
            pause(wait, cancel).await
        } else if cancel.is_cancelled() {
            Err(cancelled())
        } else {
            Ok(())
        }
    }

    /// A write went well.
    pub(super) fn went_well(&self) {
        self.with(|inner, _| {
            inner.unsaid = UNSAID;
            let faster = inner.rate.map(|rate| rate * RECOVERY);
            inner.rate = match inner.start {
                Some(start) => faster.map(|rate| rate.min(start)),
                // Fast enough to be no limit again.
                None => faster.filter(|rate| *rate < 50.0),
            };
        });
    }

    /// The service asked to slow down: gives how long the next request waits.
    ///
    /// # Errors
    /// `Unavailable` when that is longer than a sync waits.
    pub(super) fn throttled(&self, after: Option<Duration>) -> Result<Duration> {
        self.with(|inner, now| {
            // Who was on the way when another request was refused tells nothing new.
            let fresh = now >= inner.hold;
            if fresh {
                inner.rate = Some((inner.rate.unwrap_or(CAREFUL * 2.0) / 2.0).max(SLOWEST));
            }
            let asked = match after {
                Some(after) => after.max(inner.interval()),
                None if fresh => {
                    let longer = inner.unsaid.saturating_mul(2);
                    std::mem::replace(&mut inner.unsaid, longer)
                }
                None => inner.hold - now,
            };
            if asked > LONGEST {
                return Err(too_long(asked, format!("more than {}", minutes(LONGEST))));
            }
            let until = inner.hold.max(now + asked);
            let waited = inner.waited + (until - inner.hold.max(now));
            if waited > LONGEST_IN_ALL {
                let why = format!(
                    "after {} s of waiting, more than {} in all",
                    inner.waited.as_secs(),
                    minutes(LONGEST_IN_ALL)
                );
                return Err(too_long(asked, why));
            }
            (inner.waited, inner.hold, inner.next) = (waited, until, inner.next.max(until));
            Ok(until - now)
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut Inner, Instant) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), Instant::now())
    }
}

impl Inner {
    fn interval(&self) -> Duration {
        let seconds = self.rate.map_or(0.0, |rate| 1.0 / rate);
        Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST).min(LONGEST)
    }
}

/// The ceiling of waits, as people say it.
pub(super) fn ceiling() -> String {
    format!("at most {} at a time and {} in all", minutes(LONGEST), minutes(LONGEST_IN_ALL))
}

fn minutes(duration: Duration) -> String {
    format!("{} minutes", duration.as_secs() / 60)
}

fn too_long(asked: Duration, why: String) -> Error {
    Error::new(ErrorKind::Unavailable, format!("the store asked to wait {} s, {why}", asked.as_secs()))
        .throttled(Some(asked))
        .hint("sync again later: it continues where it stopped")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    async fn turns(pace: &Pace, count: u32) -> Duration {
        let begin = Instant::now();
        for _ in 0..count {
            pace.turn(&CancelToken::new()).await.unwrap();
        }
        begin.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn writes_are_spaced_and_the_first_does_not_wait() {
        assert_eq!(turns(&Pace::new(Some(0.5)), 4).await, 6 * SECOND);
        assert_eq!(turns(&Pace::new(None), 400).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_complaint_halves_the_rate_which_recovers_to_where_it_began_and_no_further() {
        for (start, slow) in [(Some(2.0), SECOND), (None, SECOND)] {
            let pace = Pace::new(start);
            turns(&pace, 1).await;
            assert_eq!(pace.throttled(Some(7 * SECOND)).unwrap(), 7 * SECOND);
            assert_eq!(turns(&pace, 2).await, 7 * SECOND + slow);
            for _ in 0..200 {
                pace.went_well();
            }
            turns(&pace, 1).await;
            assert_eq!(turns(&pace, 10).await, if start.is_some() { 5 * SECOND } else { Duration::ZERO });
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_nobody_named_doubles() {
        let pace = Pace::new(None);
        let mut waits = Vec::new();
        for _ in 0..3 {
            waits.push(pace.throttled(None).unwrap().as_secs());
            turns(&pace, 1).await;
        }
        assert_eq!(waits, [10, 20, 40]);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_were_refused_together_count_once() {
        let pace = Pace::new(Some(1.0));
        turns(&pace, 1).await;
        for _ in 0..9 {
            assert_eq!(pace.throttled(Some(10 * SECOND)).unwrap(), 10 * SECOND);
        }
        assert_eq!(turns(&pace, 2).await, 12 * SECOND);
        assert_eq!(pace.with(|inner, _| inner.waited), 10 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn waits_have_a_ceiling_each_and_in_all() {
        let pace = Pace::new(Some(1.0));
        let error = pace.throttled(Some(3600 * SECOND)).unwrap_err();
        assert_eq!(error.to_string(), "the store asked to wait 3600 s, more than 5 minutes");
        assert!(error.is_retryable());
        let mut rounds = 0;
        let error = loop {
            match pace.throttled(Some(Duration::ZERO)) {
                Ok(_) => rounds += 1,
                Err(error) => break error,
            }
            turns(&pace, 1).await;
            assert!(rounds < 100, "a service that always refuses is asked for ever");
        };
        assert!(error.to_string().contains("more than 15 minutes in all"), "{error}");
    }
}
