//! What Cloudflare's answers are wrapped in, and what a person can do about those that refuse.

use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};
use crate::http::Answer;

/// What every answer is wrapped in
/// (<https://developers.cloudflare.com/fundamentals/api/how-to/make-api-calls/>).
#[derive(Debug, Deserialize)]
pub(super) struct Envelope<T> {
    success: bool,
    #[serde(default = "Vec::new")]
    errors: Vec<Fault>,
    #[serde(default = "Option::default")]
    result: Option<T>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Fault {
    code: u64,
    message: String,
}

impl<T> Envelope<T> {
    /// What is inside; `mask` is applied to words of the service.
    ///
    /// # Errors
    /// As [`explained`] for an answer that says in itself that it failed; `Invalid` when there is nothing inside.
    pub(super) fn opened(self, answer: &Answer, mask: impl Fn(&str) -> String) -> Result<T> {
        match self.result {
            Some(result) if self.success => Ok(result),
            _ if self.success => Err(answer
                .error(ErrorKind::Invalid, "gave an answer without a result")
                .hint("check CLOUDFLARE_API_BASE_URL; if it is right, use a newer infra-sdk")),
            _ => {
                let fault = self.errors.into_iter().next().unwrap_or_default();
                let message: String = mask(&fault.message).chars().take(400).collect();
                Err(explained(
                    answer
                        .error(ErrorKind::Invalid, "refused the request")
                        .with("message", message.escape_debug())
                        .with("code", fault.code)
                        .hint("correct what the message names; if it is not yours, please report this"),
                ))
            }
        }
    }
}

/// What is known of some errors: their codes, what they mean, and the way out.
type Known = (&'static [u64], ErrorKind, &'static str, &'static str);

const KNOWN: [Known; 6] = [
    (
        &[10214, 10215],
        ErrorKind::Conflict,
        "the Worker's newest version is not the one that is deployed",
        "roll out again with `cargo xtask deploy`: the newest version was taken back, or not released yet, and secrets are \
         added to it only where it is live; a Worker that is released here gets them with each release. Only if that very \
         version is wanted live: `wrangler versions deploy`",
    ),
    (
        &[10007, 10090],
        ErrorKind::NotFound,
        "there is no such Worker in this account",
        "deploy the Worker first, for secrets belong to one that exists, or correct its name or the account",
    ),
    (
        &[10053],
        ErrorKind::Conflict,
        "the Worker has something other than a secret under this name",
        "remove the variable or binding of that name from the Worker's settings, or rename the secret",
    ),
    (
        &[7000, 7003],
        ErrorKind::NotFound,
        "Cloudflare does not know this account",
        "set CLOUDFLARE_ACCOUNT_ID, or `account` of the store, to the id of the account that has the Worker",
    ),
    (&[10054], ErrorKind::Invalid, "a value is too long for a Worker", "keep it in a store that takes more"),
    (&[9109, 10000], ErrorKind::Denied, DENIED, PERMISSION),
];

const DENIED: &str = "Cloudflare does not let this token do that";
const PERMISSION: &str = "set CLOUDFLARE_API_TOKEN to a token of this account that is neither expired nor revoked and \
                          has the permission `Workers Scripts: Edit`";

/// The error in words about Workers where its code is known; the facts it states and whether it may go away stay.
pub(super) fn explained(error: Error) -> Error {
    if error.is_retryable() {
        return error;
    }
    let code = error.context().find(|(key, _)| *key == "code").and_then(|(_, code)| code.parse().ok());
    let known = KNOWN.iter().find(|(codes, ..)| code.is_some_and(|code| codes.contains(&code)));
    let (kind, what, hint) = match known {
        Some((_, kind, what, hint)) => (*kind, *what, *hint),
        None if error.kind() == ErrorKind::Denied => (ErrorKind::Denied, DENIED, PERMISSION),
        None => return error,
    };
    error.context().fold(Error::new(kind, what), |told, (key, value)| told.with(key, value)).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: ErrorKind, code: u64) -> Error {
        explained(Error::new(kind, "refused").with("status", 400).with("code", code).hint("report this"))
    }

    #[test]
    fn each_code_that_is_known_says_the_way_out() {
        for (code, kind, way) in [
            (10215, ErrorKind::Conflict, "roll out again with `cargo xtask deploy`"),
            (10214, ErrorKind::Conflict, "if that very version is wanted live: `wrangler versions deploy`"),
            (10007, ErrorKind::NotFound, "deploy the Worker first"),
            (10090, ErrorKind::NotFound, "deploy the Worker first"),
            (10053, ErrorKind::Conflict, "rename the secret"),
            (7003, ErrorKind::NotFound, "CLOUDFLARE_ACCOUNT_ID"),
            (10054, ErrorKind::Invalid, "takes more"),
            (9109, ErrorKind::Denied, "Workers Scripts: Edit"),
            (10000, ErrorKind::Denied, "CLOUDFLARE_API_TOKEN"),
        ] {
            let error = of(ErrorKind::Invalid, code);
            assert_eq!(error.kind(), kind, "{error:?}");
            assert!(error.hints().len() == 1 && error.hints()[0].contains(way), "{error:?}");
            assert!(error.to_string().ends_with(&format!("(status: 400, code: {code})")), "{error}");
        }
    }

    #[test]
    fn what_is_not_known_or_may_go_away_stays_as_it_is() {
        assert!(of(ErrorKind::Denied, 1).hints()[0].contains("Workers Scripts: Edit"));
        assert_eq!(of(ErrorKind::Invalid, 1).hints(), ["report this"]);
        let busy = Error::new(ErrorKind::Unavailable, "busy").with("code", 10000).throttled(None);
        assert!(explained(busy).throttle().is_some());
    }
}
