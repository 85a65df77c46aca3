//! Several pieces of work at a time, but not too many.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use crate::error::Result;

/// One of several pieces of work.
pub(super) type Work<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// Does all of `work`, at most `most` at a time, and gives the results in the order of the work. The first error ends the
/// rest.
pub(super) async fn together<T>(most: usize, work: Vec<Work<'_, T>>) -> Result<Vec<T>> {
    let mut waiting = work.into_iter().enumerate();
    let mut running: Vec<(usize, Work<'_, T>)> = Vec::new();
    let mut done: Vec<(usize, T)> = Vec::new();
    poll_fn(|context| {
        loop {
            while running.len() < most.max(1) {
                let Some((number, next)) = waiting.next() else { break };
                running.push((number, next));
            }
            let before = done.len();
            let mut at = 0;
            while let Some((number, work)) = running.get_mut(at) {
                match work.as_mut().poll(context) {
                    Poll::Ready(Ok(value)) => {
                        done.push((*number, value));
                        drop(running.swap_remove(at));
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => at += 1,
                }
            }
            // What ended made room for what has not begun.
            if done.len() == before {
                return if running.is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending };
            }
        }
    })
    .await?;
    done.sort_by_key(|(number, _)| *number);
    Ok(done.into_iter().map(|(_, value)| value).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::error::Error;

    #[tokio::test(start_paused = true)]
    async fn no_more_than_so_many_run_and_results_keep_their_order() {
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (now, most) = (&now, &most);
        let one = |number: u64| -> Work<'_, u64> {
            Box::pin(async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(100 - number * 7)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(number)
            })
        };
        let done = together(3, (0..10).map(one).collect()).await.unwrap();
        assert_eq!(done, (0..10).collect::<Vec<u64>>());
        assert_eq!(most.load(Ordering::SeqCst), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_error_ends_the_rest() {
        let ended = AtomicUsize::new(0);
        let one = |number: u64| -> Work<'_, ()> {
            let ended = &ended;
            Box::pin(async move {
                tokio::time::sleep(Duration::from_secs(number)).await;
                ended.fetch_add(1, Ordering::SeqCst);
                if number == 1 { Err(Error::invalid("the second")) } else { Ok(()) }
            })
        };
        let error = together(2, (0..5).map(one).collect()).await.unwrap_err();
        assert_eq!((error.to_string().as_str(), ended.load(Ordering::SeqCst)), ("the second", 2));
        assert!(together::<()>(2, Vec::new()).await.unwrap().is_empty());
    }
}
