//! Lists that AWS gives page by page.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_would_never_end_is_an_error() {
        assert_eq!(next_page(None, Some(String::new())).unwrap(), None);
        assert_eq!(next_page(Some("a"), Some("b".into())).unwrap().as_deref(), Some("b"));
        assert!(next_page(Some("a"), Some("a".into())).unwrap_err().is_retryable());
    }
}
