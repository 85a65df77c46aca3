//! Paths made of segments, so that no name can turn a request into another one.

use std::fmt::Write;

use crate::error::{Error, Result};
use crate::names::quoted;

/// A path below a service's base address, percent-encoded and without a slash in front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path(String);

impl Path {
    /// The path with these segments, each encoded as a whole: a slash inside of one stays a part of it.
    ///
    /// # Errors
    /// `Invalid` for a segment that is empty, `.` or `..`: servers and proxies take those away, also when encoded.
    pub(crate) fn of(segments: &[&str]) -> Result<Self> {
        let mut path = String::new();
        for segment in segments {
            if matches!(*segment, "" | "." | "..") {
                return Err(Error::invalid(format!("{} cannot be a part of an address", quoted(segment)))
                    .hint("correct the name of the owner, repository, environment, account or script"));
            }
            if !path.is_empty() {
                path.push('/');
            }
            encode(segment, &mut path);
        }
        Ok(Path(path))
    }

    /// A path as a person wrote it, encoded already; an address that would lie elsewhere by it is refused by the request.
    pub(crate) fn as_written(text: &str) -> Self {
        Path(text.trim_start_matches('/').to_owned())
    }

    /// This path and more segments.
    ///
    /// # Errors
    /// As [`of`](Path::of).
    pub(crate) fn join(&self, segments: &[&str]) -> Result<Self> {
        let Path(more) = Path::of(segments)?;
        Ok(Path(format!("{}/{more}", self.0)))
    }

    /// The path as it is sent.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Leaves only what [RFC 3986](https://www.rfc-editor.org/rfc/rfc3986#section-2.3) calls unreserved as it is.
pub(crate) fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_change_the_endpoint() {
        let path = Path::of(&["repos", "a/../b", "x?y#z%2e é\n"]).unwrap();
        assert_eq!(path.as_str(), "repos/a%2F..%2Fb/x%3Fy%23z%252e%20%C3%A9%0A");
        assert_eq!(path.join(&["c"]).unwrap().as_str().split('/').count(), 4);
        for bad in ["", ".", ".."] {
            assert!(Path::of(&["repos", bad]).is_err() && path.join(&[bad]).is_err(), "{bad:?}");
        }
    }
}
