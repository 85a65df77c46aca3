//! What a token has to be allowed, called as Cloudflare's dashboard calls it, and errors that name it.

use std::fmt;

use serde::de::DeserializeOwned;

use crate::cloudflare::answers::Envelope;
use crate::cloudflare::client::Cloudflare;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Answer, Call};

/// A permission of a token (<https://developers.cloudflare.com/fundamentals/api/reference/permissions/>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Permission {
    /// What it is about: `Workers Scripts`.
    pub(super) about: &'static str,
    /// The same as permission groups of the API have it.
    group: &'static str,
    /// Whether it allows changes.
    pub(super) edit: bool,
}

impl Permission {
    const fn new(about: &'static str, edit: bool) -> Self {
        Permission { about, group: about, edit }
    }

    /// Reading and changing Workers, their secrets and versions.
    pub(super) const SCRIPTS: Permission = Permission::new("Workers Scripts", true);
    /// Containers and their rollouts; the API says `Workers Containers`.
    pub(super) const CONTAINERS: Permission =
        Permission { about: "Containers", group: "Workers Containers", edit: true };
    /// Sending requests of a zone to a Worker.
    pub(super) const ROUTES: Permission = Permission::new("Workers Routes", true);
    /// Making and listing buckets, and what is in them.
    pub(super) const R2: Permission = Permission::new("Workers R2 Storage", true);
    /// Finding a zone.
    pub(super) const ZONE: Permission = Permission::new("Zone", false);
    /// Reading an account's name.
    pub(super) const ACCOUNT: Permission = Permission::new("Account Settings", false);
    /// Reading what a user's tokens may do.
    pub(super) const USER_TOKENS: Permission = Permission::new("API Tokens", false);
    /// Reading what an account's tokens may do.
    pub(super) const ACCOUNT_TOKENS: Permission = Permission::new("Account API Tokens", false);

    /// Whether a permission group of the API, such as `Workers Scripts Write`, is enough: who may change may read.
    pub(super) fn is_in(self, group: &str) -> bool {
        match group.strip_prefix(self.group).map(str::trim) {
            Some("Write" | "Edit") => true,
            Some("Read") => !self.edit,
            _ => false,
        }
    }
}

/// As the dashboard writes it: `Workers Scripts: Edit`.
impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.about, if self.edit { "Edit" } else { "Read" })
    }
}

impl Cloudflare {
    /// What a request gives that needs a permission, and the answer it came with.
    pub(super) async fn permitted<T: DeserializeOwned>(
        &self,
        call: Call<'_>,
        needed: Permission,
    ) -> Result<(T, Answer)> {
        let told = |error| explained(error, needed);
        let answer = self.answer(call).await.map_err(told)?;
        let result = answer.json::<Envelope<T>>()?.opened(&answer, |text| self.masked(text));
        Ok((result.map_err(told)?, answer))
    }
}

/// Codes of a token that is none, in whatever form it was sent.
const NO_TOKEN: [u64; 4] = [1000, 1001, 6003, 6111];

/// The error of a request that needs `needed`, in words about what to do; the facts it states stay.
pub(super) fn explained(error: Error, needed: Permission) -> Error {
    if error.is_retryable() {
        return error;
    }
    let number = |wanted| {
        error.context().find(|(key, _)| *key == wanted).and_then(|(_, text)| text.parse::<u64>().ok())
    };
    let (status, code) = (number("status"), number("code"));
    let (kind, what, hint) = match (error.kind(), code) {
        (_, Some(10042)) => (
            ErrorKind::Denied,
            "R2 is not switched on for this account",
            "switch it on once, under R2 in Cloudflare's dashboard".to_owned(),
        ),
        (_, Some(7000 | 7003)) => (
            ErrorKind::NotFound,
            "Cloudflare does not know this account",
            "correct the account in infra.toml, or CLOUDFLARE_ACCOUNT_ID".to_owned(),
        ),
        (_, code) if status == Some(401) || code.is_some_and(|code| NO_TOKEN.contains(&code)) => (
            ErrorKind::Denied,
            "Cloudflare does not accept this token",
            "set CLOUDFLARE_API_TOKEN to a token that is there, as one line, neither expired nor revoked"
                .to_owned(),
        ),
        (ErrorKind::Denied, _) => (
            ErrorKind::Denied,
            "Cloudflare does not let this token do that",
            format!("give the token the permission `{needed}` for this account, or use another token"),
        ),
        _ => return error,
    };
    let told = error.context().fold(Error::new(kind, what), |told, (key, value)| told.with(key, value));
    let told = if what.ends_with("do that") { told.with("permission", needed) } else { told };
    told.hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_that_allows_changes_allows_reading_and_none_stands_in_for_another() {
        let (edit, read) = (Permission::SCRIPTS, Permission { edit: false, ..Permission::SCRIPTS });
        assert_eq!((edit.to_string(), read.to_string()).0, "Workers Scripts: Edit");
        assert!(edit.is_in("Workers Scripts Write") && read.is_in("Workers Scripts Write"));
        assert!(!edit.is_in("Workers Scripts Read") && read.is_in("Workers Scripts Read"));
        let containers = Permission::CONTAINERS;
        assert!(containers.is_in("Workers Containers Write") && containers.to_string() == "Containers: Edit");
        assert!(!Permission::R2.is_in("Workers R2 Storage Bucket Item Write"));
        assert!(!Permission::ZONE.is_in("Zone Settings Read") && Permission::ZONE.is_in("Zone Read"));
    }

    #[test]
    fn a_token_that_is_none_is_told_from_one_that_may_not() {
        let of = |kind, status: u16, code: u64| {
            explained(Error::new(kind, "refused").with("status", status).with("code", code), Permission::R2)
        };
        for (status, code) in [(401, 10000), (400, 6003), (403, 1000)] {
            let error = of(ErrorKind::Invalid, status, code);
            assert_eq!(error.kind(), ErrorKind::Denied);
            assert!(error.to_string().contains("does not accept this token"), "{error}");
        }
        let error = of(ErrorKind::Denied, 403, 10000);
        assert!(error.to_string().contains("permission: Workers R2 Storage: Edit"), "{error}");
        assert!(error.hints()[0].contains("`Workers R2 Storage: Edit`"), "{error:?}");
        assert!(of(ErrorKind::Denied, 403, 10042).hints()[0].contains("switch it on"));
        assert_eq!(of(ErrorKind::NotFound, 404, 7003).kind(), ErrorKind::NotFound);
        assert_eq!(of(ErrorKind::Conflict, 409, 1).operation(), "refused");
        let busy = Error::new(ErrorKind::Unavailable, "busy").with("status", 401).throttled(None);
        assert!(explained(busy, Permission::R2).throttle().is_some());
    }
}
