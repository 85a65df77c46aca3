//! Which servers are new enough.

use crate::error::{Error, ErrorKind, Result};

/// Since 2.11 a bucket's keys can end by themselves and say so to who watches them, which leases rest on. Servers before
/// 2.10 answer JetStream requests in a form that the client library cannot read at all.
pub(super) const LEAST: (u32, u32) = (2, 11);

/// Passes a server that is new enough, and one that does not tell its version in numbers.
///
/// # Errors
/// `Unavailable`, naming both versions.
pub(super) fn require(version: &str) -> Result<()> {
    if !is_too_old(version) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unavailable, format!("the NATS server is too old: {version}"))
        .with("needed", format!("{}.{} or later", LEAST.0, LEAST.1))
        .hint("update nats-server; its data stays as it is"))
}

/// Whether `version`, such as `2.10.26`, is before [`LEAST`].
pub(super) fn is_too_old(version: &str) -> bool {
    let mut parts = version.trim_start_matches('v').split(['.', '-']);
    let mut number = || parts.next()?.parse::<u32>().ok();
    match (number(), number()) {
        (Some(major), Some(minor)) => (major, minor) < LEAST,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_before_2_11_are_too_old() {
        for (version, old) in [
            ("2.9.10", true),
            ("2.10.26", true),
            ("2.11.0", false),
            ("2.11.0-RC.1", false),
            ("v2.15.1", false),
            ("3.0.0", false),
            ("1.4", true),
            ("dev", false),
        ] {
            assert_eq!(is_too_old(version), old, "{version}");
        }
        let error = require("2.9.10").unwrap_err();
        assert!(error.report().to_string().contains("2.11 or later"), "{}", error.report());
    }
}
