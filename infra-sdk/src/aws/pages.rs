//! What AWS gives page by page or by the batch: all of it, and several requests at a time.

use std::future::Future;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::error::{Error, ErrorKind, Result};

/// Where the next page starts; the same place twice would never end.
pub(super) fn next_page(last: Option<&str>, next: Option<String>) -> Result<Option<String>> {
    let next = next.filter(|token| !token.is_empty());
    if next.is_some() && next.as_deref() == last {
        return Err(Error::new(ErrorKind::Unavailable, "AWS gave the same page of a list twice")
            .hint("check that AWS_ENDPOINT_URL names a service that pages as AWS does")
            .retryable());
    }
    Ok(next)
}

/// Everything in a list; `ask` gives one page, from where the one before said that it goes on, and where the next starts.
pub(super) async fn all_pages<T, F>(ask: impl Fn(Option<String>) -> F) -> Result<Vec<T>>
where
    F: Future<Output = Result<(Option<Vec<T>>, Option<String>)>>,
{
    let (mut found, mut next) = (Vec::new(), None::<String>);
    loop {
        let (page, token) = ask(next.clone()).await?;
        found.extend(page.unwrap_or_default());
        next = next_page(next.as_deref(), token)?;
        if next.is_none() {
            return Ok(found);
        }
    }
}

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

    #[test]
    fn a_list_that_would_never_end_is_an_error() {
        assert_eq!(next_page(None, Some(String::new())).unwrap(), None);
        assert_eq!(next_page(Some("a"), Some("b".into())).unwrap().as_deref(), Some("b"));
        assert!(next_page(Some("a"), Some("a".into())).unwrap_err().is_retryable());
    }

    #[tokio::test]
    async fn so_many_are_on_the_way_as_may_be_and_come_in_their_order() {
        let (going, most) = (Cell::new(0), Cell::new(0));
        let ask = async |number: usize| {
            going.set(going.get() + 1);
            most.set(most.get().max(going.get()));
            for _ in 0..10 - number {
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
