//! From an answer that refuses to an error that says what to do.

use std::time::Duration;

use reqwest::Response;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde::Deserialize;

use crate::error::{Error, ErrorKind};
use crate::http::answer::one_line;
use crate::registry::ask::Ask;

/// The longest body that is read.
const LONGEST: u64 = 64 << 10;
/// The longest message of a registry that is shown.
const MESSAGE: usize = 400;

/// [The body of an error](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes).
#[derive(Deserialize)]
struct Body {
    errors: Vec<Problem>,
}

#[derive(Deserialize)]
struct Problem {
    code: Option<String>,
    message: Option<String>,
}

/// The error for an answer that is none of the good ones.
pub(super) async fn error(ask: &Ask<'_>, response: Response) -> Error {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = ask.whole(response, LONGEST).await.unwrap_or_default();
    let problem = serde_json::from_slice::<Body>(&body).ok().and_then(|body| body.errors.into_iter().next());
    let (code, message) = problem.map(|problem| (problem.code, problem.message)).unwrap_or_default();
    let message = message.map(|message| one_line(&ask.masked(&message), MESSAGE)).unwrap_or_default();
    let (kind, what, hint) = meaning(status, code.as_deref().unwrap_or_default(), &message);
    let mut error = ask.error(kind, what).with("status", status);
    if let Some(code) = code.filter(|code| !code.is_empty()) {
        error = error.with("code", one_line(&code, 60));
    }
    if !message.is_empty() {
        error = error.with("message", message);
    }
    if kind == ErrorKind::Denied {
        error = ask.advice().iter().fold(error, |error, advice| error.hint(*advice));
    }
    let error = error.hint(hint);
    match status {
        429 => error.throttled(pause(&headers)),
        _ if kind != ErrorKind::Unavailable => error,
        _ => match pause(&headers) {
            Some(pause) => error.throttled(Some(pause)),
            None => error.retryable(),
        },
    }
}

/// The kind of an answer, what it says, and what to do next.
fn meaning(status: u16, code: &str, message: &str) -> (ErrorKind, &'static str, &'static str) {
    let lower = message.to_ascii_lowercase();
    let immutable = lower.contains("immutable") || lower.contains("already exists");
    match (status, code) {
        (429, _) | (_, "TOOMANYREQUESTS") => {
            (ErrorKind::Unavailable, "asks for fewer requests", "wait a while and do the same again")
        }
        // ECR answers 400 and TAG_INVALID; others 409 or 412.
        (_, "ImageTagAlreadyExistsException" | "TAG_IMMUTABLE") | (409 | 412, _) => IMMUTABLE,
        (400 | 403 | 405, "TAG_INVALID" | "DENIED" | "MANIFEST_INVALID") if immutable => IMMUTABLE,
        (401, _) => (
            ErrorKind::Denied,
            "wants to know who asks, and does not take the answer",
            "ask whoever keeps the registry who may come",
        ),
        (403, _) | (_, "DENIED") => (
            ErrorKind::Denied,
            "does not allow this",
            "ask for the permission to pull from the repository, or to push to it",
        ),
        (404, "BLOB_UPLOAD_UNKNOWN") | (_, "BLOB_UPLOAD_INVALID" | "RANGE_INVALID") | (416, _) => {
            (ErrorKind::Unavailable, "lost an upload", "push again: what has arrived is not sent twice")
        }
        (_, "NAME_UNKNOWN" | "RepositoryNotFoundException") => {
            (ErrorKind::NotFound, "has no such repository", "create the repository first")
        }
        (_, "NAME_INVALID") => {
            (ErrorKind::Invalid, "cannot have a repository of this name", "choose another name for the image")
        }
        (_, "BLOB_UNKNOWN" | "MANIFEST_BLOB_UNKNOWN") => {
            (ErrorKind::Invalid, "lacks a blob that the manifest names", "push the whole image again")
        }
        (404, _) => (
            ErrorKind::NotFound,
            "does not have this, or does not show it",
            "create the repository first, and ask as somebody who may see it",
        ),
        (_, "DIGEST_INVALID" | "SIZE_INVALID") => (
            ErrorKind::Invalid,
            "got other bytes than their digest says",
            "build the image again; if it stays, look at what stands before the registry",
        ),
        (_, "MANIFEST_INVALID" | "MANIFEST_UNVERIFIED" | "TAG_INVALID") => (
            ErrorKind::Invalid,
            "does not take the manifest",
            "push an image built by this crate or an OCI tool, under a tag of letters, digits, `.`, `_` and `-`",
        ),
        (413, _) => (
            ErrorKind::Invalid,
            "does not take that much at once",
            "let the proxy before the registry pass larger requests, or send large blobs in pieces",
        ),
        (408 | 425 | 500..=599, _) => (
            ErrorKind::Unavailable,
            "failed",
            "try again; if it stays, look at the registry's status page or its logs",
        ),
        (200..=299, _) => (
            ErrorKind::Invalid,
            "answers as no registry does",
            "check the address of the registry, and look at what stands before it, such as a proxy with pages of its own",
        ),
        (300..=399, _) => (
            ErrorKind::Invalid,
            "sends this request elsewhere",
            "use the registry's own address, without one that only forwards to it",
        ),
        _ => (
            ErrorKind::Invalid,
            "refused the request",
            "check the address of the registry, and whether it speaks OCI's distribution protocol",
        ),
    }
}

const IMMUTABLE: (ErrorKind, &str, &str) = (
    ErrorKind::Conflict,
    "has the tag already, and does not let it move",
    "choose a new tag: tags of this repository are immutable; or deploy by the digest, which needs none",
);

/// How long the registry wants to be left alone.
fn pause(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_kind() {
        let ecr = "The image tag '1' already exists in the 'app' repository and cannot be overwritten because the \
                   repository is immutable.";
        for (status, code, message, kind) in [
            (401, "UNAUTHORIZED", "", ErrorKind::Denied),
            (403, "DENIED", "requested access is denied", ErrorKind::Denied),
            (404, "NAME_UNKNOWN", "", ErrorKind::NotFound),
            (404, "", "", ErrorKind::NotFound),
            (400, "NAME_INVALID", "", ErrorKind::Invalid),
            (400, "TAG_INVALID", ecr, ErrorKind::Conflict),
            (400, "TAG_INVALID", "bad tag", ErrorKind::Invalid),
            (409, "", "", ErrorKind::Conflict),
            (400, "MANIFEST_INVALID", "", ErrorKind::Invalid),
            (404, "BLOB_UNKNOWN", "", ErrorKind::Invalid),
            (400, "MANIFEST_BLOB_UNKNOWN", "", ErrorKind::Invalid),
            (400, "DIGEST_INVALID", "", ErrorKind::Invalid),
            (429, "TOOMANYREQUESTS", "", ErrorKind::Unavailable),
            (404, "BLOB_UPLOAD_UNKNOWN", "", ErrorKind::Unavailable),
            (503, "", "", ErrorKind::Unavailable),
            (200, "", "", ErrorKind::Invalid),
            (302, "", "", ErrorKind::Invalid),
            (418, "", "", ErrorKind::Invalid),
        ] {
            assert_eq!(meaning(status, code, message).0, kind, "{status} {code}");
        }
    }
}
