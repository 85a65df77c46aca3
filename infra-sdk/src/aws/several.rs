//! Several requests to AWS at a time.

use std::future::Future;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::error::Result;

/// What each of these requests gives, in their order, with at most `at_once` of them on the way; the first that fails ends
/// them all.
pub(super) async fn several<T>(
    asked: Vec<impl Future<Output = Result<T>>>,
    at_once: usize,
) -> Result<Vec<T>> {
    stream::iter(asked).buffered(at_once).try_collect().await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::error::Error;

    #[tokio::test]
    async fn so_many_are_on_the_way_as_may_be_and_come_in_their_order() {
        let (going, most) = (Cell::new(0), Cell::new(0));
        let ask = async |number: usize| {
            going.set(going.get() + 1);
            most.set(most.get().max(going.get()));
            for _ in 0..20 - number {
                tokio::task::yield_now().await;
            }
            going.set(going.get() - 1);
            if number == 9 { Err(Error::invalid("nine")) } else { Ok(number) }
        };
        assert_eq!(several((0..9).map(&ask).collect(), 4).await.unwrap(), (0..9).collect::<Vec<_>>());
        assert_eq!((going.get(), most.get()), (0, 4));
        assert!(several((0..20).map(&ask).collect(), 4).await.is_err());
    }
}
