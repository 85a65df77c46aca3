//! Several pieces of work at a time, but not too many.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use crate::error::Result;

/// Does all of `work`, at most `most` at a time, and gives the results in the order of the work. The first error ends the
/// rest.
pub(super) async fn together<T, F>(most: usize, work: impl IntoIterator<Item = F>) -> Result<Vec<T>>
where
    F: Future<Output = Result<T>>,
{
    let mut waiting = work.into_iter().enumerate().fuse();
    let mut running: Vec<(usize, Pin<Box<F>>)> = Vec::new();
    let mut done: Vec<(usize, T)> = Vec::new();
    poll_fn(|context| {
        loop {
            while running.len() < most.max(1) {
                let Some((number, next)) = waiting.next() else { break };
                running.push((number, Box::pin(next)));
            }
            let before = done.len();
            let mut at = 0;
            while let Some((number, work)) = running.get_mut(at) {
                match work.as_mut().poll(context) {
                    Poll::Ready(Ok(value)) => {
                        done.push((*number, value));
                        running.swap_remove(at);
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
    use std::cell::Cell;
    use std::time::Duration;

    use super::*;
    use crate::error::Error;

    #[tokio::test(start_paused = true)]
    async fn no_more_than_so_many_run_and_results_keep_their_order() {
        let (now, most) = (Cell::new(0), Cell::new(0));
        let work = (0..10_u64).map(|number| {
            let (now, most) = (&now, &most);
            async move {
                now.set(now.get() + 1);
                most.set(most.get().max(now.get()));
                tokio::time::sleep(Duration::from_millis(100 - number * 7)).await;
                now.set(now.get() - 1);
                Ok(number)
            }
        });
        assert_eq!(together(3, work).await.unwrap(), (0..10).collect::<Vec<u64>>());
        assert_eq!(most.get(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_error_ends_the_rest() {
        let ended = Cell::new(0);
        let work = (0..5_u64).map(|number| {
            let ended = &ended;
            async move {
                tokio::time::sleep(Duration::from_secs(number)).await;
                ended.set(ended.get() + 1);
                if number == 1 { Err(Error::invalid("the second")) } else { Ok(()) }
            }
        });
        assert_eq!(together(2, work).await.unwrap_err().to_string(), "the second");
        assert_eq!(ended.get(), 2);
        assert_eq!(together(2, Vec::<std::future::Ready<Result<()>>>::new()).await.unwrap(), []);
    }
}
