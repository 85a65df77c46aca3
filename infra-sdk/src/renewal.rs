//! Keeping what ends by itself unless it is renewed, such as a lock or a lease, and knowing when it is lost.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, Result};

/// A store that failed is asked again this soon, or sooner where a renewal lasts for less than a second.
const AGAIN: Duration = Duration::from_millis(250);

/// Renews each third of `length` and returns when it is lost: when `is_lost` says so of an error, or a little before others
/// may take it because no renewal got through. `begun` is from before it was taken. What counts is a clock that nobody sets,
/// and that no other machine knows.
pub(crate) async fn until_lost<Asked: Future<Output = Result<()>>>(
    length: Duration,
    begun: Instant,
    mut ask: impl FnMut() -> Asked,
    is_lost: impl Fn(&Error) -> bool,
) {
    let mine = length - length / 10;
    // What has no length at all must not keep the process busy.
    let pause = (length / 3).max(Duration::from_millis(10));
    let (mut renewed, mut wait) = (begun, pause);
    loop {
        tokio::time::sleep(wait.min(mine.saturating_sub(renewed.elapsed()))).await;
        // It counts from before a renewal is asked.
        let asked = Instant::now();
        match tokio::time::timeout(mine.saturating_sub(renewed.elapsed()), ask()).await {
            Ok(Ok(())) => (renewed, wait) = (asked, pause),
            // A store that does not answer for a moment costs nothing while there is time left.
            Ok(Err(error)) if !is_lost(&error) && renewed.elapsed() < mine => wait = pause.min(AGAIN),
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    const MINUTE: Duration = Duration::from_secs(60);

    fn conflict(error: &Error) -> bool {
        error.kind() == ErrorKind::Conflict
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_never_answers_loses_it_before_others_may_take_it() {
        let begun = Instant::now();
        until_lost(MINUTE, begun, std::future::pending, conflict).await;
        assert_eq!(begun.elapsed(), MINUTE - MINUTE / 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_fails_for_a_while_is_asked_again_soon_and_loses_nothing() {
        let begun = Instant::now();
        let mut asked = Vec::new();
        let ask = || {
            asked.push(begun.elapsed().as_millis());
            std::future::ready(match asked.len() {
                1 | 3 | 4 => Ok(()),
                2 => Err(Error::new(ErrorKind::Unavailable, "busy")),
                _ => Err(Error::new(ErrorKind::Conflict, "another has it")),
            })
        };
        until_lost(MINUTE, begun, ask, conflict).await;
        assert_eq!(asked, [20_000, 40_000, 40_250, 60_250, 80_250]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_only_fails_loses_it_in_time_too() {
        let begun = Instant::now();
        let ask = || std::future::ready(Err(Error::new(ErrorKind::Unavailable, "down")));
        until_lost(Duration::from_secs(3), begun, ask, conflict).await;
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    }
}
