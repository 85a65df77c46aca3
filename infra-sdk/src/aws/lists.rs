//! Whole lists, however many pages AWS makes of them.

use std::future::Future;

use crate::aws::pages::next_page;
use crate::error::Result;

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
