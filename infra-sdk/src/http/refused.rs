//! From an answer that refuses to an error that says what to do.

use std::time::Duration;

use serde_json::Value;

use crate::error::{Error, ErrorKind};
use crate::http::Answer;
use crate::http::answer::one_line;

/// The longest message of a service that is shown.
const MESSAGE: usize = 400;

/// The error for `answer`; `mask` is applied to the service's own words.
pub(super) fn error(answer: &Answer, mask: &dyn Fn(&str) -> String) -> Error {
    let body = answer.value();
    let message = body.as_ref().map(message).unwrap_or_default();
    let told = |kind, what| {
        let error = answer.error(kind, what);
        match &body {
            None => error.with("body", answer.described()),
            Some(_) if message.is_empty() => error,
            Some(_) => error.with("message", one_line(&mask(&message), MESSAGE)),
        }
    };
    let told = |kind, what| match body.as_ref().and_then(code) {
        Some(code) => told(kind, what).with("code", code),
        None => told(kind, what),
    };
    if let Some(after) = throttle(answer, &message) {
        return told(ErrorKind::Unavailable, "asks for fewer requests")
            .hint("wait a while and do the same again")
            .throttled(after);
    }
    match answer.status() {
        401 => told(ErrorKind::Denied, "does not accept the token")
            .hint("set a token that is neither expired nor revoked"),
        403 => with_permission(told(ErrorKind::Denied, "does not allow this"), answer),
        404 | 410 => {
            let error = told(ErrorKind::NotFound, "does not know this, or does not show it to this token");
            with_permission(error.hint("check the names in the request"), answer)
        }
        409 | 412 => told(ErrorKind::Conflict, "found that somebody else changed this")
            .hint("look at it again and repeat what is still needed"),
        300..=399 => told(ErrorKind::Invalid, "sends this request elsewhere")
            .hint("use the new name if it was renamed or moved, and check the address of the service"),
        500..=599 => told(ErrorKind::Unavailable, "failed")
            .hint("try again, or look at the service's status page")
            .retryable(),
        408 | 425 => told(ErrorKind::Unavailable, "did not take the request").hint("try again").retryable(),
        _ => told(ErrorKind::Invalid, "refused the request")
            .hint("correct what the message names; if it is not yours, please report this"),
    }
}

/// Whether the answer asks to slow down, and for how long.
fn throttle(answer: &Answer, message: &str) -> Option<Option<Duration>> {
    let status = answer.status();
    let message = message.to_ascii_lowercase();
    let secondary = message.contains("secondary rate limit") || message.contains("abuse detection");
    let asked = answer.header("retry-after").is_some();
    let yes = match status {
        429 => true,
        403 => asked || answer.has_none_left() || secondary || message.contains("rate limit exceeded"),
        500..=599 => asked,
        _ => false,
    };
    // Without a time GitHub asks for at least a minute after its secondary limit:
    // https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit
    let minute = secondary.then_some(Duration::from_secs(60));
    yes.then(|| answer.pause().or(minute))
}

/// GitHub says which permissions would have been enough: sets apart by `;`, each joined by `,`.
fn with_permission(error: Error, answer: &Answer) -> Error {
    if answer.header("x-github-sso").is_some_and(|sso| sso.starts_with("required")) {
        return error.hint("authorise the token for the organisation's single sign-on");
    }
    match answer.header("x-accepted-github-permissions").filter(|needed| !needed.trim().is_empty()) {
        Some(needed) => {
            let needed = one_line(needed, 200).replace(',', " and ").replace(';', " or ");
            let needed = needed.split_whitespace().collect::<Vec<_>>().join(" ");
            error.hint(format!("the token needs {needed}: give it that permission, or use another token"))
        }
        None => error.hint("give the token the permission for this, or use another one"),
    }
}

/// The service's own words: `message` and what `errors` adds, as GitHub and Cloudflare write them, or the `title` and
/// `detail` of RFC 9457.
fn message(body: &Value) -> String {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut parts: Vec<String> = Vec::new();
    parts.extend(["message", "title", "detail"].iter().filter_map(|key| text(body.get(key)?)));
    for problem in body.get("errors").and_then(Value::as_array).into_iter().flatten() {
        let words = text(problem).or_else(|| text(problem.get("message")?)).or_else(|| {
            let word = |key: &str| problem.get(key).and_then(Value::as_str);
            Some(format!("{}: {}", word("field").unwrap_or("?"), word("code")?))
        });
        parts.extend(words);
    }
    parts.dedup();
    parts.join("; ")
}

/// The number of the first of `errors`, as Cloudflare counts them.
fn code(body: &Value) -> Option<u64> {
    body.get("errors")?.get(0)?.get("code")?.as_u64()
}
